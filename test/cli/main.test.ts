import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { efficientdet, MAIN, run } from '../helpers/cli.js'

const COMMANDS = ['detect', 'demo', 'info', 'convert', 'export', 'pull', 'doctor']

describe('the command line', () => {
  it('lists its commands and tells its version', async () => {
    const [help, version] = await Promise.all([efficientdet(['--help']), efficientdet(['--version'])])
    expect(help.code).toBe(0)
    for (const command of COMMANDS) expect(help.stdout).toMatch(new RegExp(`^  ${command}\\b.* \\w+`, 'm'))
    expect(version.stdout.trim()).toBe(JSON.parse(await readFile('package.json', 'utf8')).version)
  })

  it.each([
    [
      'detect',
      ['<picture...>', '--model', '--score-threshold', '--out', '--json', '--backend', 'default: "person"'],
    ],
    ['demo', ['--out', 'default: "demo-output"']],
    ['info', ['[model]', '--classes', '--json']],
    ['convert', ['<input> <output>', '--labels', '--precision', '--anchor-ratios', '--variant']],
    ['export', ['<model> <output>', '--precision', '"fp32", "fp16"', '--batch', 'default: dynamic']],
    ['pull', ['<model...>', 'd0, d1', '--mirror']],
    ['doctor', ['--json']],
  ])('describes %s', async (command, parts) => {
    const { code, stdout, stderr } = await efficientdet([command, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const part of parts) expect(stdout.replace(/\s+/g, ' ')).toContain(part)
  })

  it.each([
    [['detct', 'a.jpg'], /unknown command 'detct'\s+\(Did you mean detect\?\)/],
    [
      ['detect', 'a.jpg', '--score-treshold', '1'],
      /unknown option '--score-treshold'\s+\(Did you mean --score-threshold\?\)/,
    ],
    [['export', 'd0', 'd0.onnx', '--precison', 'fp16'], /Did you mean --precision\?/],
    [
      ['export', 'd0', 'd0.onnx', '--precision', 'int8'],
      /'int8' is invalid\. Allowed choices are fp32, fp16/,
    ],
    [
      ['detect', 'a.jpg', '--input-size', '640,384'],
      /'640,384' is invalid\. Expected HEIGHTxWIDTH, such as 384x640/,
    ],
    [['detect', 'a.jpg', '--score-threshold', 'high'], /'high' is invalid\. Expected a number/],
    [['detect', 'a.jpg', '--max-detections', '-3'], /'-3' is invalid\. Expected a whole number/],
    [['detect', 'a.jpg', ''], /'' is invalid for argument 'picture'\. Expected a path, and this is empty/],
    [['detect', 'a.jpg', '--out='], /'' is invalid\. Expected a path, and this is empty/],
    [['convert', 'person', 'a.safetensors', '--labels', ''], /Expected a path, and this is empty/],
    [['pull', 'd0', '--mirror', 'example.org'], /'example\.org' is invalid\. Expected a URL/],
    [['detect'], /missing required argument 'picture'/],
    [['convert', 'a.pth'], /missing required argument 'output'/],
    [['doctor', 'gpu'], /too many arguments/],
  ])('refuses %j and tells what is right', async (args, message) => {
    const { code, stdout, stderr } = await efficientdet(args)
    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(message)
    expect(stderr).toContain('--help')
  })

  it.each(['info', 'doctor'])('ends quietly when nobody reads what %s says', async (command) => {
    const pipe = 'set -o pipefail; (sleep 0.2; exec "$@") | true'
    const { code, stderr } = await run('bash', ['-c', pipe, 'bash', process.execPath, MAIN, command])
    expect({ code, stderr }).toEqual({ code: 141, stderr: '' })
  })
})

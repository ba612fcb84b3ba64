import { spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { copyFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, jsonLines, MAIN, PERSON, run } from '../helpers/cli.js'
import { canMount } from '../helpers/folders.js'

/** Runs a script of bash with the command line as `efficientdet`, in an empty file system of its own as `$DISK`. */
async function onDisk(script: string, size = '16m') {
  const disk = await temporaryFolder()
  const mounted = `
    mount -t tmpfs -o size=${size} tmpfs "$DISK"
    efficientdet() { "$NODE" "$MAIN" "$@"; }
    ${script}`
  return run('unshare', ['--mount', 'bash', '-c', mounted], {
    env: { DISK: disk, NODE: process.execPath, MAIN, PERSON },
  })
}

describe('standard output that is full', () => {
  it.each([
    [['detect', PERSON, '--json']],
    [['detect', PERSON]],
    [['info']],
    [['info', 'person', '--json']],
    [['doctor']],
    [['bench', PERSON, '--runs', '1', '--warm-up', '0', '--json']],
    [['--help']],
    [['detect', '--help']],
    [['--version']],
  ])('ends %j with one line and exit code 1', (args) => {
    const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
      stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
      encoding: 'utf8',
    })
    expect(status).toBe(1)
    expect(stderr).toMatch(/error: The output cannot be written \(ENOSPC: .*\)\. \[ERR_OUTPUT\]\n$/)
    expect(stderr).not.toMatch(/^ +at /m)
  })
})

describe.skipIf(!canMount)('a disk that is full', () => {
  it('keeps the earlier annotated picture, and no half of the new one', async () => {
    const { code, stdout, stderr } = await onDisk(
      `cp "$PERSON" "$DISK/person.detected.jpg"
      head --bytes=1M /dev/zero > "$DISK/filler" 2>/dev/null
      efficientdet detect "$PERSON" --out "$DISK"; code=$?
      cmp "$PERSON" "$DISK/person.detected.jpg" && ls --almost-all "$DISK"
      exit $code`,
      '200k',
    )
    expect(code).toBe(1)
    expect(stderr).toMatch(/person\.detected\.jpg cannot be written \(ENOSPC: .*\)\. \[ERR_OUTPUT\]/)
    expect(stdout).toBe('filler\nperson.detected.jpg\n')
  })

  it('stops a run, which goes on once there is room, to the same bytes', async () => {
    const { code, stdout, stderr } = await onDisk(
      `mkdir "$DISK/photographs"; for i in 1 2 3 4 5 6; do cp "$PERSON" "$DISK/photographs/$i.jpg"; done
      score() { efficientdet score "$DISK/photographs" --out "$1" --shard-size 1 --input-size 64 --score-threshold 0; }
      score "$DISK/whole" >/dev/null
      head --bytes=4M /dev/zero > "$DISK/filler" 2>/dev/null
      score "$DISK/run"; code=$?
      ls --almost-all "$DISK/run" | grep partial
      rm "$DISK/filler"
      score "$DISK/run" >/dev/null && diff --recursive "$DISK/whole" "$DISK/run" && echo same
      exit $code`,
      '2500k',
    )
    expect({ code, stdout }).toEqual({ code: 1, stdout: 'same\n' })
    expect(stderr).toMatch(/cannot be written \(.*ENOSPC.*\)\. \[ERR_OUTPUT\]/)
  })

  it.each(['export person "$DISK/x.onnx"', 'convert person "$DISK/x.safetensors"'])(
    'keeps nothing of %s',
    async (command) => {
      const { code, stdout, stderr } = await onDisk(
        `efficientdet ${command}; code=$?; ls --almost-all "$DISK"; exit $code`,
        '200k',
      )
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toMatch(/^error: .*\/x\.\w+ cannot be written \(ENOSPC: [^\n]*\)\. \[ERR_OUTPUT\]\n$/)
    },
  )
})

describe.skipIf(!canMount)('a disk that is read-only', () => {
  it.each([
    ['detect "$PERSON" --out "$DISK/new/folder"', 1],
    ['demo --out "$DISK/new"', 1],
    ['export person "$DISK/x.onnx"', 1],
    ['convert person "$DISK/x.safetensors"', 1],
    ['pull d0 --mirror http://127.0.0.1:3', 1],
    ['doctor', 0],
  ])('is named as such by %s', async (command, expected) => {
    const { code, stdout, stderr } = await onDisk(
      `mount -o remount,ro "$DISK"; EFFICIENTDET_CACHE="$DISK/cache/folder" efficientdet ${command}`,
    )
    expect(code).toBe(expected)
    expect(stdout + stderr).toMatch(/EROFS/)
    expect(stdout + stderr).not.toMatch(/ENOENT/)
  })
})

describe('annotated pictures', () => {
  it('are written over none of those that are read', async () => {
    const folder = await temporaryFolder()
    for (const name of ['a.jpg', 'a.detected.jpg']) await copyFile(PERSON, join(folder, name))
    const run = await efficientdet(['detect', folder, '--out', folder, '--json'])
    expect(run.code).toBe(0)
    const written = jsonLines<{ annotated: string }>(run).map(({ annotated }) => annotated)
    expect(written.sort()).toEqual(
      ['a.detected-2.jpg', 'a.detected.detected.jpg'].map((name) => join(folder, name)),
    )
    const person = await readFile(PERSON)
    for (const name of ['a.jpg', 'a.detected.jpg']) {
      expect((await readFile(join(folder, name))).equals(person)).toBe(true)
    }
    expect(await readdir(folder)).toHaveLength(4)
  })
})

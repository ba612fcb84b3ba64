import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { EfficientDetError } from '#lib/base/errors.js'
import {
  type EngineFile,
  isEngineFile,
  readEngine,
  readEngineHeader,
  writeEngine,
} from '#lib/engines/engine-file.js'
import { temporaryFile, temporaryFolder } from '../helpers/checkpoints.js'
import { PERSON } from '../helpers/cli.js'
import { accidents, damaged } from '../helpers/damage.js'
import { engineOf, HEADER } from '../helpers/engines.js'
import fc from '../helpers/fast-check.js'
import { refusal } from '../helpers/refusal.js'

async function written(engine: EngineFile = engineOf()): Promise<{ path: string; bytes: Buffer }> {
  const path = join(await temporaryFolder(), 'x.engine')
  await writeEngine(path, engine)
  return { path, bytes: await readFile(path) }
}

/** An error for an engine file, with its fault. */
const fault = (name: string, message: RegExp) =>
  expect.objectContaining({
    ...refusal('ERR_ENGINE', message).sample,
    details: expect.objectContaining({ fault: name }),
  })

describe('an engine file', () => {
  it('gives back what was written, and leaves nothing beside it', async () => {
    // More than one piece, and a broken one at the end.
    const engine = engineOf(HEADER, 2_500_001)
    const { path } = await written(engine)
    const { header, plan } = await readEngine(path)
    expect(header).toEqual(HEADER)
    expect(Buffer.compare(plan, engine.plan)).toBe(0)
    expect(await readEngineHeader(path)).toEqual(HEADER)
    expect(await isEngineFile(path)).toBe(true)
    expect(await readdir(join(path, '..'))).toEqual(['x.engine'])
  })

  it('is laid out as documented', async () => {
    const { bytes } = await written()
    const { plan } = engineOf()
    const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest('hex')
    const headerBytes = bytes.readUInt32LE(12)
    expect(bytes.toString('latin1', 0, 8)).toBe('\x89EDE\r\n\x1a\n')
    expect(bytes.readUInt32LE(8)).toBe(2)
    expect(bytes.readBigUInt64LE(16)).toBe(BigInt(plan.length))
    expect(bytes.toString('hex', 24, 56)).toBe(sha256(plan))
    const json = bytes.subarray(88, 88 + headerBytes)
    expect(bytes.toString('hex', 56, 88)).toBe(sha256(bytes.subarray(0, 56), json))
    expect(JSON.parse(json.toString())).toMatchObject({ inputSize: { height: 384, width: 640 } })
    expect(bytes.length).toBe(88 + headerBytes + plan.length)
  })

  it('is refused with a typed error after any accidents that changed it', async () => {
    const { path, bytes } = await written()
    const copy = join(await temporaryFolder(), 'copy.engine')
    const faults = new Set<unknown>()
    await fc.assert(
      fc.asyncProperty(accidents, async (happened) => {
        const content = damaged(bytes, happened)
        fc.pre(!bytes.equals(content))
        await writeFile(copy, content)
        const error: EfficientDetError = await readEngine(copy).then(
          () => expect.unreachable(),
          (reason) => reason,
        )
        expect(error).toBeInstanceOf(EfficientDetError)
        expect(error.code).toBe('ERR_ENGINE')
        faults.add(error.details.fault)
      }),
    )
    expect([...faults]).toEqual(expect.arrayContaining(['damaged', 'truncated']))
    expect((await readEngine(path)).header).toEqual(HEADER)
  })

  it('is refused at every length but its own', async () => {
    const { bytes } = await written(engineOf(HEADER, 40))
    for (let length = 0; length < bytes.length; length += length < 120 ? 1 : 37) {
      const path = await temporaryFile(bytes.subarray(0, length))
      await expect(readEngine(path)).rejects.toThrow(fault('truncated', /Copy it again|build it again/))
    }
    const longer = await temporaryFile(Buffer.concat([bytes, Buffer.alloc(3)]))
    await expect(readEngine(longer)).rejects.toThrow(fault('damaged', /has \d+ bytes and should have \d+/))
  })

  it.each([
    ['text', 'not an engine', 'foreign', /is no engine file of efficientdet-trt/],
    ["TensorRT's plan alone", 'ftrt and so on', 'foreign', /is a plan of TensorRT's alone/],
    ['nothing', '', 'truncated', /is empty/],
  ])('is not %s', async (_, content, name, message) => {
    const path = await temporaryFile(content)
    await expect(readEngine(path)).rejects.toThrow(fault(name, message))
    expect(await isEngineFile(path)).toBe(false)
  })

  it.each([
    ['a later', 3, 'future', /of version 3, .* reads version 2/],
    ['an earlier', 1, 'stale', /of version 1, .* reads version 2. Build the engine again/],
  ])('of %s version says so', async (_, version, name, message) => {
    const { bytes } = await written()
    bytes.writeUInt32LE(version, 8)
    const path = await temporaryFile(bytes)
    await expect(readEngine(path)).rejects.toThrow(fault(name, message))
  })

  it('whose header is changed and signed again is refused where it cannot be', async () => {
    const { bytes } = await written()
    const length = bytes.readUInt32LE(12)
    const json = bytes.toString('utf8', 88, 88 + length)
    const resigned = (changed: string) => {
      const preamble = Buffer.from(bytes.subarray(0, 88))
      const body = Buffer.from(changed)
      preamble.writeUInt32LE(body.length, 12)
      createHash('sha256').update(preamble.subarray(0, 56)).update(body).digest().copy(preamble, 56)
      return temporaryFile(Buffer.concat([preamble, body, bytes.subarray(88 + length)]))
    }
    const { header } = await readEngine(await resigned(json.replace('10.15.1', '10.3.0')))
    expect(header.target).toMatchObject({ libraryVersion: '10.3.0' })
    const without = await readEngine(
      await resigned(json.replace(/"referenceDetections":.*\}/, '"referenceDetections":null}')),
    )
    expect(without.header).toEqual({ ...HEADER, referenceDetections: null })
    for (const [from, to] of [
      ['"d0"', '"d9"'],
      ['"maxBatchSize":8', '"maxBatchSize":0'],
      ['"maxBatchSize":8', '"maxBatchSize":"8"'],
      ['"height":384', '"height":-1'],
      ['"precision":"fp16"', '"precision":"int8"'],
      ['"anchorsPerCell":9', '"anchorsPerCell":6'],
      ['"classes":2', '"classes":3'],
      ['"labels"', '"label"'],
      ['"backbone":"same"', '"backbone":"other"'],
      [/"referenceDetections":.*\}/, '"referenceDetection":null}'],
      [/"referenceDetections":\[.*?\},/, '"referenceDetections":['],
      [/"referenceDetections":\[.*?\},/, '"referenceDetections":[null,'],
      ['"scores":[0.75', '"scores":[1.75'],
      ['"scores":[0.75', '"scores":[null'],
      ['"scores":[0.75', '"scores":[0.75,0.75'],
      ['"scores"', '"score"'],
      ['"boxes":[10.25', '"boxes":["10.25"'],
      ['"boxes":[10.25', '"boxes":[10.25,1'],
      ['"classIds":[1', '"classIds":[2'],
      ['"classIds":[1,', '"classIds":['],
      ['"classIds":[1', '"classIds":[0.5'],
      ['{', '['],
      [json, 'null'],
      [json, '{}'],
    ] as const) {
      const changed = json.replace(from, to)
      expect(changed).not.toBe(json)
      await expect(readEngine(await resigned(changed))).rejects.toThrow(fault('damaged', /cannot read/))
    }
  })

  it('keeps answers as far as they matter, a hundred to a picture', async () => {
    const answer = (count: number) => ({
      boxes: Float32Array.from({ length: 4 * count }, (_, i) => i / 7),
      scores: Float32Array.from({ length: count }, (_, i) => 1 - i / 700),
      classIds: Uint32Array.from({ length: count }, (_, i) => i % 2),
    })
    const whole = [100, 0, 7].map(answer)
    const farthest = (some: Float32Array, others: Float32Array) =>
      Math.max(0, ...some.map((value, i) => Math.abs(value - others[i])))
    const { path, bytes } = await written(engineOf({ ...HEADER, referenceDetections: whole }))
    expect(bytes.readUInt32LE(12)).toBeLessThan(6000)
    const { referenceDetections } = (await readEngine(path)).header
    referenceDetections!.forEach(({ boxes, scores, classIds }, i) => {
      expect(classIds).toEqual(whole[i].classIds)
      expect(farthest(boxes, whole[i].boxes)).toBeLessThan(0.00501)
      expect(farthest(scores, whole[i].scores)).toBeLessThan(0.0000501)
    })
    const { path: longer } = await written(
      engineOf({ ...HEADER, referenceDetections: [101, 0, 7].map(answer) }),
    )
    await expect(readEngine(longer)).rejects.toThrow(fault('damaged', /cannot read/))
  })

  it('has answers to this picture: another one needs another version of the format', async () => {
    const sha256 = createHash('sha256')
      .update(await readFile(PERSON))
      .digest('hex')
    expect(sha256).toBe('cdcbab947e46110fc2b77784ac54ddbbab2640f1e44cb5e91fc8984a9793a7d1')
  })

  it('that is not there, or is a folder, is refused', async () => {
    const folder = await temporaryFolder()
    await expect(readEngine(join(folder, 'none'))).rejects.toThrow(refusal('ERR_MODEL_NOT_FOUND', /ENOENT/))
    await expect(readEngine(folder)).rejects.toThrow(refusal('ERR_ENGINE', /is a folder/))
  })

  it('leaves nothing where it cannot be written', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'taken'))
    await expect(writeEngine(join(folder, 'taken'), engineOf())).rejects.toThrow(
      refusal('ERR_OUTPUT', /taken cannot be written/),
    )
    expect(await readdir(folder)).toEqual(['taken'])
  })

  it('stops reading when the signal aborts', async () => {
    const { path } = await written()
    await expect(readEngine(path, () => {}, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
  })
})

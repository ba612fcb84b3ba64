// Forgets engines without closing them; their threads must go when they are collected. Needs --expose-gc.
import { readdirSync } from 'node:fs'
import { frame, load } from './fake.mjs'

const threads = () => readdirSync('/proc/self/task').length

async function forget() {
  await frame(await load())
}

await forget()
globalThis.gc()
const before = threads()
for (let i = 0; i < 20; i++) await forget()
const most = threads()
for (let i = 0; i < 40 && threads() > before; i++) {
  globalThis.gc()
  await new Promise((resolve) => setTimeout(resolve, 25))
}
console.log(JSON.stringify({ before, most, after: threads() }))

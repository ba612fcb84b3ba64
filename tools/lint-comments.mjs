// Checks how comments are written: `npm run lint`. None begins with "Of"; every paragraph has fewer than 30 words.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'oxc-parser'

const LIMIT = 30

/** Comments of C++, and what else may hold slashes and quotes: strings, numbers, characters. */
const CPP = /(?<comment>\/\/[^\n]*|\/\*.*?\*\/)|R"\(.*?\)"|"(?:\\.|[^"\\])*"|\b\d[\w'.]*|'(?:\\.|[^'\\])+'/gs

const root = fileURLToPath(new URL('..', import.meta.url))
const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
let faulty = false
for (const file of listed.split('\n').filter((name) => /\.(m?[jt]s|cc|cu|h)$/.test(name))) {
  if (!existsSync(root + file)) continue
  const text = readFileSync(root + file, 'utf8')
  const found = /s$/.test(file) ? scriptComments(file, text) : cppComments(text)
  for (const { start, lines } of blocks(text, found)) {
    for (const { offset, words } of paragraphs(lines)) {
      const fault = faultOf(words)
      if (fault === null) continue
      const line = text.slice(0, start).split('\n').length + offset
      console.error(`${file}:${line}: ${fault}: ${words.slice(0, 6).join(' ')} …`)
      faulty = true
    }
  }
}
if (faulty) process.exitCode = 1

/** The line for the shell (`#!`), which the parser takes for a comment, is none. */
function scriptComments(file, text) {
  return parseSync(file, text).comments.filter(({ start }) => text.startsWith('/', start))
}

function cppComments(text) {
  return [...text.matchAll(CPP)]
    .filter(({ groups }) => groups.comment !== undefined)
    .map(({ 0: { length }, index }) => ({ start: index, end: index + length }))
}

/** Joins comments with only a line break between them, which are read as one. */
function blocks(text, comments) {
  const result = []
  let last
  for (const { start, end } of comments) {
    const lines = text.slice(start, end).split('\n').map(bare)
    if (last !== undefined && /^\n[ \t]*$/.test(text.slice(last.end, start))) {
      last.lines.push(...lines)
      last.end = end
    } else {
      last = { start, end, lines }
      result.push(last)
    }
  }
  return result
}

/** A line of a comment without what makes it one. */
function bare(line) {
  return line
    .replace(/^\s*(\/\*\*?|\*(?!\/)|\/\/)/, '')
    .replace(/\*\/\s*$/, '')
    .trim()
}

/** Splits at empty lines, at tags and at list items, and leaves tables out. */
function paragraphs(lines) {
  const result = []
  let open
  for (const [offset, line] of lines.entries()) {
    if (line === '' || line.startsWith('|')) {
      open = undefined
      continue
    }
    if (open === undefined || /^(@|[-*] )/.test(line)) {
      open = { offset, words: [] }
      result.push(open)
    }
    open.words.push(...line.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)))
  }
  return result
}

/** What is wrong with a paragraph, or null. */
function faultOf(words) {
  if (words[0] === 'Of') return 'a comment begins with a noun or a verb, not with "Of"'
  return words.length < LIMIT ? null : `${words.length} words, where a paragraph has fewer than ${LIMIT}`
}

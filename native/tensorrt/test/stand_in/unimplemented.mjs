// Writes the classes that stand_in.cc derives from: TensorRT's interfaces (NvInferImpl.h) with every function ending
// the program, so that the stand-in writes down only what our backend calls.
//
//     node unimplemented.mjs NvInferImpl.h > unimplemented.h
import { readFileSync } from 'node:fs'

const CLASSES = ['VRuntime', 'VCudaEngine', 'VExecutionContext']
/** TensorRT-RTX's alone. */
const RTX_CLASSES = ['VHostMemory', 'VRuntimeConfig', 'VRuntimeCache']

const header = readFileSync(process.argv[2], 'utf8')
const classes = header.includes('class VRuntimeCache ') ? [...CLASSES, ...RTX_CLASSES] : CLASSES
const written = classes.map((name) => {
  const [, body] = new RegExp(`class ${name} : public VRoot\\n\\{(.*?)\\n\\};`, 's').exec(header)
  const functions = [...body.matchAll(/virtual ([^;]*?) = 0;/gs)].map(([, declaration]) => {
    const [, called] = /(\w+)\(/.exec(declaration)
    return `  ${declaration.replace(/\s+/g, ' ')} override { Unimplemented("${name}::${called}"); }`
  })
  return `class Unimplemented${name} : public nvinfer1::apiv::${name} {\n public:\n${functions.join('\n')}\n};`
})
console.log(`#pragma once
#include <NvInferRuntime.h>

#include <cstdio>
#include <cstdlib>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

namespace nvinfer1 {

[[noreturn]] inline void Unimplemented(const char *name) {
  std::fprintf(stderr, "The stand-in for TensorRT has no %s.\\n", name);
  std::abort();
}

${written.join('\n\n')}

}  // namespace nvinfer1

#pragma GCC diagnostic pop`)

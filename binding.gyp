# Builds the addon alone, by node-gyp: for machines without CMake. CMakeLists.txt builds everything.
{
  "targets": [
    {
      "target_name": "efficientdet_trt",
      "sources": [
        "native/addon/addon.cc",
        "native/addon/backend_library.cc",
        "native/addon/build.cc",
        "native/addon/children.cc",
        "native/addon/engine.cc",
        "native/addon/engine_threads.cc",
        "native/addon/frame_memory.cc",
        "native/addon/frame_pipe.cc",
        "native/addon/frame_reader.cc",
        "native/addon/library.cc",
        "native/addon/preprocessor_object.cc",
        "native/preprocess/codes.cc",
        "native/preprocess/preprocessor.cc",
        "native/preprocess/taps.cc",
        "native/preprocess/work_avx2.cc",
        "native/preprocess/work_avx512.cc",
        "native/preprocess/work_plain.cc"
      ],
      "include_dirs": ["native/include", "native/addon", "native/preprocess", "<!@(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17", "-fexceptions", "-fvisibility=hidden", "-Wall", "-Wextra", "-ffp-contract=off"],
      "conditions": [["OS=='linux'", {"libraries": ["-ldl", "-lpthread"]}]]
    }
  ]
}

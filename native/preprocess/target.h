/* Has the compiler use more instructions than all processors have, between two lines of a file. */
#pragma once

#define TARGET_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define BEGIN_TARGET(names) TARGET_PRAGMA(clang attribute push(__attribute__((target(names))), apply_to = function))
#define END_TARGET TARGET_PRAGMA(clang attribute pop)
#else
#define BEGIN_TARGET(names) TARGET_PRAGMA(GCC push_options) TARGET_PRAGMA(GCC target(names))
#define END_TARGET TARGET_PRAGMA(GCC pop_options)
#endif

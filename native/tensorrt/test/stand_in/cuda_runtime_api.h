/* TensorRT's headers ask for this one. */
#include "cuda_runtime.h"

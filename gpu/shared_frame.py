"""Puts a file's bytes into a PyTorch tensor on GPU 0 and lets another process open its memory.

    shared_frame.py FILE

The tensor is written behind other work of the same stream, so that it is incomplete for a while. Prints as JSON the
handles of its memory and of the event at its end, and where in the memory it begins; holds it until standard input
ends.
"""

import ctypes
import json
import sys
from pathlib import Path

import torch

data = torch.frombuffer(bytearray(Path(sys.argv[1]).read_bytes()), dtype=torch.uint8).pin_memory()
frame = torch.zeros(len(data), dtype=torch.uint8, device="cuda:0")
busy = torch.rand(4096, 4096, device="cuda:0")
written = torch.cuda.Event(interprocess=True)
torch.cuda.synchronize()
for _ in range(20):
    busy = (busy @ busy) / 4096
frame.copy_(data, non_blocking=True)
written.record()

cuda = ctypes.CDLL("libcuda.so.1")
memory = (ctypes.c_ubyte * 64)()
base, size = ctypes.c_uint64(), ctypes.c_size_t()
pointer = ctypes.c_uint64(frame.data_ptr())
for error in (
    cuda.cuMemGetAddressRange_v2(ctypes.byref(base), ctypes.byref(size), pointer),
    cuda.cuIpcGetMemHandle(ctypes.byref(memory), pointer),
):
    if error != 0:
        sys.exit(f"CUDA error {error}: the tensor's memory cannot be shared")
handles = {"memory": bytes(memory).hex(), "event": written.ipc_handle().hex()}
print(json.dumps({**handles, "offset": pointer.value - base.value}), flush=True)
sys.stdin.read()

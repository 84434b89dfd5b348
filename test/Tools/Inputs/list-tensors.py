#!/usr/bin/python3
"""Prints name and shape of each tensor of a safetensors file: list-tensors.py REFERENCE FILE

REFERENCE is the folder of checkpoint.py.
"""

import sys

sys.path.insert(0, sys.argv[1])
read_safetensors = __import__("checkpoint").read_safetensors

for name, tensor in read_safetensors(sys.argv[2]).items():
    print(name, tensor.shape)

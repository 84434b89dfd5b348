// What is wrong with one file is in safetensors-errors.py; here, with several.

// RUN: rm -rf %t && mkdir -p %t/none
// RUN: not mod-opt %s --mod-load-params 2>&1 | FileCheck %s --check-prefix=UNNAMED
// UNNAMED: error: expected the option 'file'

// RUN: not mod-opt %s --mod-load-params=file=%t/absent.safetensors 2>&1 | FileCheck %s --check-prefix=ABSENT
// ABSENT: error: {{.*}}absent.safetensors: No such file or directory

// RUN: not mod-opt %s --mod-load-params=file=%t/none 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: {{.*}}none: expected model.safetensors or model.safetensors.index.json in this directory

// RUN: %python %S/Inputs/write_safetensors.py %t/a.safetensors a:F32:2x2
// RUN: %python %S/Inputs/write_safetensors.py %t/b.safetensors b:F32:2

// RUN: echo '{"weight_map": {"a": "a.safetensors", "b": "c.safetensors"}}' > %t/absent.json
// RUN: not mod-opt %s --mod-load-params=file=%t/absent.json 2>&1 | FileCheck %s --check-prefix=SHARD
// SHARD: error: {{.*}}c.safetensors: No such file or directory

// RUN: echo '{"weight_map": {"a": "a.safetensors", "b": "../b.safetensors"}}' > %t/outside.json
// RUN: not mod-opt %s --mod-load-params=file=%t/outside.json 2>&1 | FileCheck %s --check-prefix=OUTSIDE
// OUTSIDE: error: {{.*}}outside.json: tensor 'b': expected the name of a file in the same directory

// RUN: echo '{"weight_map": {"a": "a.safetensors", "b": "a.safetensors"}}' > %t/missing.json
// RUN: not mod-opt %s --mod-load-params=file=%t/missing.json 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: {{.*}}a.safetensors: no tensor 'b', expected by {{.*}}missing.json


// RUN: echo '{"weight_map": {"b": "b.safetensors"}}' > %t/unlisted.json
// RUN: %python %S/Inputs/write_safetensors.py %t/b.safetensors b:F32:2 c:F32:2
// RUN: not mod-opt %s --mod-load-params=file=%t/unlisted.json 2>&1 | FileCheck %s --check-prefix=UNLISTED
// UNLISTED: error: {{.*}}b.safetensors: tensor 'c' is not in the weight_map of {{.*}}unlisted.json

// RUN: %python %S/Inputs/write_safetensors.py %t/both.safetensors a:F32:2x2 b:F32:2
// RUN: echo '{"weight_map": {"a": "a.safetensors", "b": "both.safetensors"}}' > %t/both.json
// RUN: not mod-opt %s --mod-load-params=file=%t/both.json 2>&1 | FileCheck %s --check-prefix=BOTH
// BOTH: error: {{.*}}both.safetensors: tensor 'a' is also in {{.*}}a.safetensors

// RUN: echo '{"weight_map": {"a": "a.safetensors", "a": "both.safetensors"}}' > %t/twice.json
// RUN: not mod-opt %s --mod-load-params=file=%t/twice.json 2>&1 | FileCheck %s --check-prefix=TWICE
// TWICE: error: {{.*}}twice.json: the index has the key 'a' twice

// RUN: echo '{"weights": {}}' > %t/map.json
// RUN: not mod-opt %s --mod-load-params=file=%t/map.json 2>&1 | FileCheck %s --check-prefix=MAP
// MAP: error: {{.*}}map.json: expected an object 'weight_map'

ml_program.global private @a(#ml_program.extern : tensor<2x2xf32>) : tensor<2x2xf32>
ml_program.global private @b(#ml_program.extern : tensor<2xf32>) : tensor<2xf32>

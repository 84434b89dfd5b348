"""Configures lit: how the tests below test/ are found and run.

`lit test/Passes` works as well as `ninja -C build check-mod`: without the
configured site file this one loads it from build/.

Tests run longest first. How long they took is known from the last run, before
the first one from test/.lit_test_times.txt: seconds of those above ten.
"""

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess

import lit.formats


def cpu_features():
    flags = re.search(r"^flags\s*:(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return set(flags.group(1).split()) if flags else set()


def can_import(package):
    """Whether the Python of the tests has a package; to import it may take seconds."""
    find = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{package}') is None)"
    return subprocess.run(["/usr/bin/python3", "-c", find]).returncode == 0


def configure(config, lit_config):
    source = pathlib.Path(config.mod_source_dir)
    binary = pathlib.Path(config.mod_binary_dir)
    tests = source / "test"

    config.name = "mod-sanitize" if config.mod_sanitize else "mod"
    config.test_format = lit.formats.ShTest(execute_external=False)
    config.test_source_root = str(tests)
    config.test_exec_root = str(binary / "test")
    config.suffixes = [".mlir", ".test", ".py"]
    # A Python file is a test only if it says how it is run.
    config.excludes = ["Inputs"] + [
        path.name for path in tests.rglob("*.py")
        if "Inputs" not in path.parts and "RUN" ":" not in path.read_text()
    ]

    path = [binary / "bin", config.mod_llvm_tools_dir, "/usr/bin", "/bin"]
    config.environment = {
        "PATH": ":".join(map(str, path)),
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    config.substitutions += [
        ("%python", "/usr/bin/python3"),
        ("%{examples}", str(source / "examples")),
        ("%{reference}", str(tests / "reference")),
        ("%{src}", str(source)),
        ("%{build}", str(binary)),
    ]
    # What tests may use where somebody has it, perhaps outside the system.
    if "PYTHONPATH" in os.environ:
        config.environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    for package in ["tokenizers", "torch", "transformers"]:
        if can_import(package):
            config.available_features.add(package)
        else:
            lit_config.note(f"/usr/bin/python3 has no package {package}: tests that compare with it are skipped (docs/model-directories.md)")
    config.available_features.add("linux")
    config.available_features |= cpu_features() & {"avx2", "avx512f"}
    # Missing where the libraries to compare with are not installed.
    if (binary / "test/Benchmarks/small-kernel-benchmarks").exists():
        config.available_features.add("kernel-benchmarks")
    # NVIDIA's assembler, which modc finds by the same variable.
    if config.mod_ptxas:
        config.available_features.add("ptxas")
        config.environment["CUDA_HOME"] = str(pathlib.Path(config.mod_ptxas).parent.parent)
    else:
        lit_config.note("ptxas of the CUDA toolkit was not found: kernels are not assembled; name it by -DMOD_PTXAS=PATH")
    # Shows pages; systems other than Debian may lack it.
    if shutil.which("chromium", path="/usr/bin"):
        config.available_features.add("chromium")
    if config.mod_sanitize:
        config.available_features.add("sanitize")
        # LLVM's shared library is not instrumented: its containers look
        # overflowed from here, what it keeps looks lost, and memory that our
        # copies of its allocators poison is not freed for use by its own.
        # A finding aborts, which `not` does not take for an error that a tool
        # reports.
        config.environment["ASAN_OPTIONS"] = (
            "detect_container_overflow=0:allow_user_poisoning=0:"
            "detect_leaks=0:abort_on_error=1"
        )
        config.environment["UBSAN_OPTIONS"] = "print_stacktrace=1:abort_on_error=1"
    # lit needs psutil to end a test that hangs.
    if importlib.util.find_spec("psutil"):
        lit_config.maxIndividualTestTime = 600


if hasattr(config, "mod_source_dir"):
    configure(config, lit_config)
else:
    here = pathlib.Path(__file__).resolve().parent
    lit_config.load_config(config, str(here.parent / "build/test/lit.site.cfg.py"))

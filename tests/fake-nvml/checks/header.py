"""Compares the fake library with nvml.h: names, arguments, layouts, numbers. The C compiler judges.

header.py LIBRARY FOLDER_OF_NVML_H
"""

import ctypes
import re
import subprocess
import sys
import tempfile

# Rust's names of C's types; those of structures the library tells itself.
C_TYPES = {
    "c_char": "char",
    "c_int": "int",
    "c_uint": "unsigned int",
    "c_ulonglong": "unsigned long long",
    "Handle": "nvmlDevice_t",
    "EventSet": "nvmlEventSet_t",
}


def main(library, include):
    told = [line.split(" ", 1) for line in description(library).splitlines()]
    exported = exports(library)
    declared = functions(f"{include}/nvml.h")
    assert exported == declared, f"not exported: {declared - exported}; not in nvml.h: {exported - declared}"

    checked = {rest.split(" ")[0] for kind, rest in told if kind == "function"}
    stubs = {rest for kind, rest in told if kind == "stub"}
    assert checked | stubs | {"nvmlErrorString"} == exported, "a table of functions is not described"
    assert not checked & stubs

    program = "\n".join(c_program(told))
    error = compile_c(program, include)
    assert error is None, error
    for wrong in spoilt(told):
        assert compile_c("\n".join(c_program(wrong)), include), "the compiler accepts what is wrong"
    lines = program.count("\n") + 1
    print(f"nvml.h: {len(exported)} functions, {len(checked)} of them with arguments; {lines} lines hold")


def description(library):
    describe = ctypes.CDLL(library).opsagent_fake_nvml_describes_itself
    describe.restype = ctypes.c_char_p
    return describe().decode()


def exports(library):
    table = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True)
    return set(re.findall(r" T (nvml\w+)$", table.stdout, re.M))


def functions(header):
    with open(header, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", file.read(), flags=re.S)
    return set(re.findall(r"\bDECLDIR\s+(?:char\s*\*\s*)?(nvml\w+)\s*\(", text))


def c_program(told):
    """Line by line, one for each thing that the library says."""
    structures = {rest.split(" ")[0]: rest.split(" ")[1] for kind, rest in told if kind == "structure"}

    def c_type(rust):
        """Of `*mut c_uint` or `crate :: abi :: Handle`, as Rust prints it: blanks may stand anywhere."""
        pointer, name = re.fullmatch(r"(\*\s*(?:mut|const)\s)?.*?(\w+)", rust).groups()
        name = C_TYPES.get(name) or structures[name]
        return f"{'const ' if 'const' in (pointer or '') else ''}{name} {'*' if pointer else ''}"

    # The header renames functions to their latest version, unless this is defined.
    yield "#define NVML_NO_UNVERSIONED_FUNC_DEFS\n#include <nvml.h>\n#include <stddef.h>"
    for kind, rest in told:
        words = rest.split(" ")
        if kind == "function":
            name, takes = (words[0], rest.partition(" ")[2])
            arguments = ", ".join(c_type(rust) for rust in takes.split(";")) if takes else "void"
            yield f"nvmlReturn_t (*const is_{name})({arguments}) = {name};"
        elif kind == "structure":
            yield f'_Static_assert(sizeof({words[1]}) == {words[2]}, "size of {words[1]}");'
        elif kind == "field":
            yield f'_Static_assert(offsetof({words[0]}, {words[1]}) == {words[2]}, "{words[0]}.{words[1]}");'
        elif kind == "number":
            yield f'_Static_assert({words[0]} == {words[1]}, "{words[0]}");'


def compile_c(program, include):
    """What the compiler finds wrong."""
    with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
        file.write(program + "\n")
        file.flush()
        flags = ["-std=c11", "-fsyntax-only", "-Wall", "-Werror", "-Wno-deprecated-declarations"]
        done = subprocess.run(["cc", *flags, "-I", include, file.name], capture_output=True, text=True)
    return done.stderr[:4000] if done.returncode else None


def spoilt(told):
    """The same with one thing of each kind wrong: what shows that the compiler looks."""
    wrong = {
        "function": "nvmlDeviceGetPowerUsage Handle;*mut c_ulonglong",
        "structure": "MemoryV2 nvmlMemory_v2_t 39",
        "field": "nvmlPciInfo_t busId 35",
        "number": "NVML_ERROR_GPU_IS_LOST 16",
    }
    for kind, line in wrong.items():
        yield [one for one in told if one[0] == "structure"] + [[kind, line]]


main(*sys.argv[1:])

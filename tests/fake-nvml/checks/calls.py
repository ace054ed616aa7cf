"""Asks nvidia-ml-py everything that the fake answers."""

import ctypes

import pynvml
from expected import Refused
from questions import CHOICES, NUMBERS, STRUCTURES, TEXTS

ERRORS = {value: name[11:] for name, value in vars(pynvml).items() if name.startswith("NVML_ERROR_")}
ALL_LINKS = 0xFFFFFFFF
RENUMBERED = (580, 82)
# The first field that a driver does not know yet, as the nvidia-ml-py of that driver says it.
UNKNOWN_FIELD = {(0, 0): 161, (525, 0): 170, (535, 0): 197, (550, 0): 200, (560, 0): 230, (570, 0): 269, (580, 0): 274,
                 (590, 0): 289, (595, 0): 296}


def init():
    return nvml(pynvml.nvmlInit)


def check(scenario, compared):
    machine = scenario.machine
    same = lambda what, want, read: compared.same(f"{machine.seconds} s, {what}", want, read)
    same("driver", lambda: machine.text("driver"), lambda: nvml(pynvml.nvmlSystemGetDriverVersion))
    same("nvml", lambda: machine.text("nvml"), lambda: nvml(pynvml.nvmlSystemGetNVMLVersion))
    same("cuda", lambda: machine.number("cuda"), lambda: nvml(pynvml.nvmlSystemGetCudaDriverVersion_v2))
    same("count", lambda: len(scenario.cards), lambda: nvml(pynvml.nvmlDeviceGetCount))
    for index, card in enumerate(scenario.cards):
        if card.lost():
            lost = lambda: nvml(pynvml.nvmlDeviceGetHandleByIndex, index)
            same(f"card {index}", lambda: refuse("GPU_IS_LOST"), lost)
            continue
        Card(card, pynvml.nvmlDeviceGetHandleByIndex(index), scenario.without,
             lambda what, want, read: same(f"card {index}, {what}", want, read)).check()


class Card:
    def __init__(self, told, handle, without, same):
        self.told, self.handle, self.without, self.same = told, handle, without, same

    def check(self):
        told = self.told
        for name, path in NUMBERS.items():
            self.ask(name, lambda: told.number(path))
        for name, path in TEXTS.items():
            self.ask(name, lambda: told.text(path))
        for name, choices in CHOICES.items():
            for choice, path in choices.items():
                self.ask(name, lambda: told.number(path), choice)
        for name, parts in STRUCTURES.items():
            for part, path in parts.items():
                default = 0 if path == "memory_utilization" and told.at("utilization") is not None else None
                self.ask(name, lambda: all_of(told, parts) and told.number(path, default), part=part)
        self.ask("PciInfo_v3", lambda: told.text("pci"), part="busId")
        self.ask("CudaComputeCapability", lambda: [int(part) for part in told.text("compute_capability").split(".")],
                 part=list)
        self.memory()
        self.health()
        self.links()
        self.fields()
        self.processes()
        self.migs()

    def memory(self):
        told = self.told
        total, used = lambda: told.number("memory_total"), lambda: told.number("memory_used")
        reserved = lambda: told.number("memory_reserved", 0)
        old = {"total": total, "used": lambda: used() + reserved(), "free": lambda: total() - used() - reserved()}
        new = {"total": total, "used": used, "reserved": reserved, "free": old["free"]}
        for part, want in old.items():
            self.ask("MemoryInfo", lambda: (total(), want())[1], part=part)
        for part, want in new.items():
            self.ask("MemoryInfo", lambda: (total(), want())[1], pynvml.nvmlMemory_v2, part=part, really="MemoryInfo_v2")

    def health(self):
        for kind, kind_name in enumerate(["corrected", "uncorrected"]):
            for counter, counter_name in enumerate(["volatile", "aggregate"]):
                path = f"ecc.{kind_name}.{counter_name}"
                self.ask("TotalEccErrors", lambda: self.told.number(f"{path}.total"), kind, counter)
                for location, name in {0: "l1", 1: "l2", 2: "dram", 3: "register", 6: "cbu", 7: "sram"}.items():
                    want = lambda: self.told.number(f"{path}.{name}")
                    self.ask("MemoryErrorCounter", want, kind, counter, location)
        for cause, name in enumerate(["single_bit", "double_bit"]):
            self.ask("RetiredPages", lambda: self.told.number(f"retired.{name}"), cause, part=len)
        policies = {0: "power", 1: "thermal", 5: "reliability", 10: "total_app_clocks"}
        for policy, name in policies.items():
            want = lambda: self.told.number(f"violation_ns.{name}")
            self.ask("ViolationStatus", want, policy, part="violationTime")

    def links(self):
        for link in (0, 5, 17, 35):
            for name, key in {"NvLinkState": "active", "NvLinkVersion": "version"}.items():
                self.ask(name, lambda: self.told.link(link, key), link)
            for counter, key in enumerate(["replay", "recovery", "crc_flit", "crc_data"]):
                self.ask("NvLinkErrorCounter", lambda: self.told.link(link, key), link, counter)
            self.ask("NvLinkCapability", lambda: self.told.link(link, "p2p"), link, 0)
        fabric = pynvml.c_nvmlGpuFabricInfo_v3_t()
        read = lambda: nvml(pynvml.nvmlDeviceGetGpuFabricInfoV, self.handle, ctypes.byref(fabric)) or fabric.state
        want = lambda: self.told.number("fabric.state")
        self.same("fabric", lambda: self.there("GpuFabricInfoV") and want(), read)

    def fields(self):
        driver = self.told.machine.get("driver") or "0"
        driver = tuple(int(part) for part in driver.split(".")[:2])
        end = [end for since, end in UNKNOWN_FIELD.items() if since <= driver or since == (0, 0)][-1]
        for number, of, path in described_fields():
            asked = number - 18 if driver < RENUMBERED and number >= 269 else number
            wants = {
                "card": [(0, lambda: self.told.number(path))],
                "link": [(3, lambda: self.told.link(3, path)), (ALL_LINKS, lambda: self.told.links(path))],
                "links": [(0, lambda: self.told.links(path))],
            }
            for scope, want in wants[of]:
                if self.told.at(f"fields.{asked}") is not None:
                    want = lambda: self.told.number(f"fields.{asked}")
                elif asked >= end:
                    want = lambda: refuse("INVALID_ARGUMENT")
                self.same(f"field {asked} ({path})", want, lambda: self.field(asked, scope))

    def field(self, number, scope):
        value = nvml(pynvml.nvmlDeviceGetFieldValues, self.handle, [(number, scope)])[0]
        if value.nvmlReturn:
            refuse(ERRORS[value.nvmlReturn])
        return {1: value.value.uiVal, 3: value.value.ullVal, 5: value.value.siVal}[value.valueType]

    def processes(self):
        for kind, name in {"compute": "Compute", "graphics": "Graphics", "mps": "MPSCompute"}.items():
            for version in ("v2", "v3"):
                want = lambda: self.told.processes(kind)
                self.ask(f"{name}RunningProcesses_{version}", want, part=process_list)

    def migs(self):
        migs = self.told.migs()
        self.ask("MaxMigDeviceCount", lambda: len(migs))
        self.same("is no MIG device", lambda: 0, lambda: is_mig(self.handle))
        for index, mig in enumerate(migs):
            want = lambda: (self.told.fate("nvmlDeviceGetMigDeviceHandleByIndex"), mig or refuse("NOT_FOUND")) and 1
            handle = lambda: nvml(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, self.handle, index)
            self.same(f"MIG device {index}", want, lambda: is_mig(handle()))
            if mig and not self.told.machine.get("calls") and not self.told.told.get("calls"):
                self.mig(mig, handle(), lambda what, want, read: self.same(f"MIG device {index}, {what}", want, read))

    def mig(self, told, handle, same):
        child = Card(told, handle, self.without, same)
        for name, path in {"Name": "name", "UUID": "uuid"}.items():
            child.ask(name, lambda: told.text(path))
        for name, path in {"GpuInstanceId": "gpu_instance", "ComputeInstanceId": "compute_instance"}.items():
            child.ask(name, lambda: told.number(path))
        parts = {"multiprocessorCount": "multiprocessors", "gpuInstanceSliceCount": "gpu_slices",
                 "sharedCopyEngineCount": "copy_engines", "memorySizeMB": "memory_mib"}
        for part, key in parts.items():
            child.ask("Attributes_v2", lambda: told.number(f"attributes.{key}"), part=part)
        child.memory()
        child.processes()
        child.ask("UtilizationRates", lambda: refuse("NOT_SUPPORTED"))
        parent = lambda: nvml(pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle, handle)
        same("parent", lambda: self.told.text("uuid"), lambda: nvml(pynvml.nvmlDeviceGetUUID, parent()))

    def ask(self, name, want, *arguments, part=None, really=None):
        """What `nvmlDeviceGet…` gives, or a part of it, is what is wanted; unless the scenario lets it hang."""
        function = f"nvmlDeviceGet{name}"
        symbol = f"nvmlDeviceGet{really or name}"
        try:
            if self.told.fate(symbol):
                return
        except Refused as refused:
            want = lambda: refuse(refused.args[0])
        read = lambda: part_of(nvml(getattr(pynvml, function), self.handle, *arguments), part)
        self.same(f"{name}{arguments or ''} {part or ''}", lambda: self.there(really or name) and want(), read)

    def there(self, name):
        return f"nvmlDeviceGet{name}" not in self.without or refuse("FUNCTION_NOT_FOUND")


def part_of(value, part):
    if callable(part):
        return part(value)
    if isinstance(part, str):
        value = getattr(value, part)
    elif part is not None:
        value = value[part]
    return value.decode() if isinstance(value, bytes) else value


def all_of(told, parts):
    """A structure is refused as a whole: by the first of its parts that is."""
    return [told.number(path) for path in parts.values() if path != "memory_utilization"] or True


def is_mig(handle):
    return nvml(pynvml.nvmlDeviceIsMigDeviceHandle, handle).value


def process_list(processes):
    return [(process.pid, process.usedGpuMemory, process.gpuInstanceId) for process in processes]


def described_fields():
    describe = pynvml.nvmlLib.opsagent_fake_nvml_describes_itself
    describe.restype = ctypes.c_char_p
    for line in describe().decode().splitlines():
        if line.startswith("reading "):
            _, number, of, path = line.split(" ")
            yield int(number), of, path


def nvml(function, *arguments):
    try:
        return function(*arguments)
    except pynvml.NVMLError as error:
        return refuse(ERRORS[error.value])


def refuse(name):
    raise Refused(name)

"""The questions to nvidia-ml-py, without `nvmlDeviceGet`, and which reading of a card each must give."""

# Functions of one card that give one number.
NUMBERS = {
    "MinorNumber": "minor", "Brand": "brand", "Architecture": "architecture", "BoardId": "board_id",
    "MultiGpuBoard": "multi_gpu_board", "NumGpuCores": "cores", "PersistenceMode": "persistence",
    "ComputeMode": "compute_mode", "DisplayActive": "display.active", "DisplayMode": "display.mode",
    "BusType": "bus_type", "VirtualizationMode": "virtualization", "MemoryBusWidth": "memory_bus_width",
    "PowerUsage": "power_mw", "EnforcedPowerLimit": "power_limit_mw",
    "PowerManagementLimit": "power_limit.management_mw", "PowerManagementDefaultLimit": "power_limit.default_mw",
    "PowerManagementMode": "power_limit.mode", "TotalEnergyConsumption": "energy_mj",
    "PowerSource": "power_source", "PerformanceState": "performance_state",
    "CurrentClocksEventReasons": "clocks_event_reasons", "CurrentClocksThrottleReasons": "clocks_event_reasons",
    "SupportedClocksEventReasons": "clocks_event_reasons_supported",
    "SupportedClocksThrottleReasons": "clocks_event_reasons_supported",
    "NumFans": "fans.count", "FanSpeed": "fans.0.percent", "FanSpeedRPM": "fans.0.rpm",
    "MarginTemperature": "margin_temperature", "RetiredPagesPendingStatus": "retired.pending",
    "SupportedEventTypes": "event_types",
    "CurrPcieLinkGeneration": "pcie.generation", "CurrPcieLinkWidth": "pcie.width",
    "MaxPcieLinkGeneration": "pcie.max_generation", "GpuMaxPcieLinkGeneration": "pcie.gpu_max_generation",
    "MaxPcieLinkWidth": "pcie.max_width", "PcieReplayCounter": "pcie.replays", "PcieSpeed": "pcie.speed_mb_s",
    "PcieLinkMaxSpeed": "pcie.max_speed",
}

TEXTS = {
    "Name": "name", "UUID": "uuid", "VbiosVersion": "vbios", "Serial": "serial", "BoardPartNumber": "board_part",
    "InforomImageVersion": "inforom",
}

# Those with an argument.
CHOICES = {
    "ClockInfo": {0: "clock_mhz.graphics", 1: "clock_mhz.sm", 2: "clock_mhz.mem", 3: "clock_mhz.video"},
    "MaxClockInfo": {0: "clock_max_mhz.graphics", 1: "clock_max_mhz.sm", 2: "clock_max_mhz.mem", 3: "clock_max_mhz.video"},
    "ApplicationsClock": {0: "clock_applications_mhz.graphics", 1: "clock_applications_mhz.sm", 2: "clock_applications_mhz.mem"},
    "Temperature": {0: "temperature"},
    "TemperatureV": {0: "temperature"},
    "TemperatureThreshold": {0: "threshold.shutdown", 1: "threshold.slowdown", 2: "threshold.mem_max",
                             3: "threshold.gpu_max", 4: "threshold.acoustic_min", 5: "threshold.acoustic_curr",
                             6: "threshold.acoustic_max", 7: "threshold.gps_curr"},
    "PcieThroughput": {0: "pcie.tx_kib_s", 1: "pcie.rx_kib_s"},
    "FanSpeed_v2": {0: "fans.0.percent", 1: "fans.1.percent"},
    "TargetFanSpeed": {0: "fans.0.target_percent"},
}

# Those that give several numbers: of each, the field or the place in a list.
STRUCTURES = {
    "UtilizationRates": {"gpu": "utilization", "memory": "memory_utilization"},
    "BAR1MemoryInfo": {"bar1Total": "bar1.total", "bar1Used": "bar1.used"},
    "EncoderUtilization": {0: "encoder_utilization"}, "DecoderUtilization": {0: "decoder_utilization"},
    "JpgUtilization": {0: "jpeg_utilization"}, "OfaUtilization": {0: "ofa_utilization"},
    "PowerManagementLimitConstraints": {0: "power_limit.min_mw", 1: "power_limit.max_mw"},
    "EccMode": {0: "ecc.mode", 1: "ecc.pending_mode"}, "DefaultEccMode": {0: "ecc.default_mode"},
    "MigMode": {0: "mig_mode", 1: "mig_pending_mode"},
    "RemappedRows": {0: "remapped.corrected", 1: "remapped.uncorrected", 2: "remapped.pending", 3: "remapped.failed"},
    "RowRemapperHistogram": {key: f"remapped.histogram.{key}" for key in ("max", "high", "partial", "low", "none")},
}

//! Which reading each field of nvml.h is. Numbers are those of drivers from 580.82 on.

/// A field that `nvmlDeviceGetFieldValues` is asked for by its number.
pub struct Field {
    pub id: u32,
    /// In nvml.h.
    pub name: &'static str,
    pub kind: Kind,
    pub of: Of,
    /// Of the card, or in a link what `links.rs` calls it.
    pub path: &'static str,
}

/// The type in which a value is given.
#[derive(Clone, Copy)]
pub enum Kind {
    Unsigned,
    Long,
    Signed,
}

/// What the field is a reading of.
#[derive(Clone, Copy)]
pub enum Of {
    /// The card.
    Card,
    /// The NVLink that the scope names, or all.
    Link,
    /// All NVLinks.
    Sum,
}

impl Of {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Card => "card",
            Link => "link",
            Sum => "links",
        }
    }
}

use Of::{Card, Link, Sum};

#[rustfmt::skip]
pub const FIELDS: &[Field] = &[
    unsigned(1, "NVML_FI_DEV_ECC_CURRENT", Card, "ecc.mode"),
    unsigned(2, "NVML_FI_DEV_ECC_PENDING", Card, "ecc.pending_mode"),
    long(3, "NVML_FI_DEV_ECC_SBE_VOL_TOTAL", Card, "ecc.corrected.volatile.total"),
    long(4, "NVML_FI_DEV_ECC_DBE_VOL_TOTAL", Card, "ecc.uncorrected.volatile.total"),
    long(5, "NVML_FI_DEV_ECC_SBE_AGG_TOTAL", Card, "ecc.corrected.aggregate.total"),
    long(6, "NVML_FI_DEV_ECC_DBE_AGG_TOTAL", Card, "ecc.uncorrected.aggregate.total"),
    long(11, "NVML_FI_DEV_ECC_SBE_VOL_DEV", Card, "ecc.corrected.volatile.dram"),
    long(12, "NVML_FI_DEV_ECC_DBE_VOL_DEV", Card, "ecc.uncorrected.volatile.dram"),
    long(22, "NVML_FI_DEV_ECC_SBE_AGG_DEV", Card, "ecc.corrected.aggregate.dram"),
    long(23, "NVML_FI_DEV_ECC_DBE_AGG_DEV", Card, "ecc.uncorrected.aggregate.dram"),
    unsigned(29, "NVML_FI_DEV_RETIRED_SBE", Card, "retired.single_bit"),
    unsigned(30, "NVML_FI_DEV_RETIRED_DBE", Card, "retired.double_bit"),
    unsigned(31, "NVML_FI_DEV_RETIRED_PENDING", Card, "retired.pending"),
    long(38, "NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", Sum, "crc_flit"),
    long(45, "NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", Sum, "crc_data"),
    long(52, "NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL", Sum, "replay"),
    long(59, "NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", Sum, "recovery"),
    long(74, "NVML_FI_DEV_PERF_POLICY_POWER", Card, "violation_ns.power"),
    long(75, "NVML_FI_DEV_PERF_POLICY_THERMAL", Card, "violation_ns.thermal"),
    long(76, "NVML_FI_DEV_PERF_POLICY_SYNC_BOOST", Card, "violation_ns.sync_boost"),
    long(77, "NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT", Card, "violation_ns.board_limit"),
    long(78, "NVML_FI_DEV_PERF_POLICY_LOW_UTILIZATION", Card, "violation_ns.low_utilization"),
    long(79, "NVML_FI_DEV_PERF_POLICY_RELIABILITY", Card, "violation_ns.reliability"),
    long(80, "NVML_FI_DEV_PERF_POLICY_TOTAL_APP_CLOCKS", Card, "violation_ns.total_app_clocks"),
    long(81, "NVML_FI_DEV_PERF_POLICY_TOTAL_BASE_CLOCKS", Card, "violation_ns.total_base_clocks"),
    unsigned(82, "NVML_FI_DEV_MEMORY_TEMP", Card, "memory_temperature"),
    long(83, "NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION", Card, "energy_mj"),
    unsigned(91, "NVML_FI_DEV_NVLINK_LINK_COUNT", Card, "nvlink.links"),
    unsigned(94, "NVML_FI_DEV_PCIE_REPLAY_COUNTER", Card, "pcie.replays"),
    unsigned(95, "NVML_FI_DEV_PCIE_REPLAY_ROLLOVER_COUNTER", Card, "pcie.replay_rollovers"),
    long(138, "NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX", Link, "data_tx_kib"),
    long(139, "NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX", Link, "data_rx_kib"),
    long(140, "NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_TX", Link, "raw_tx_kib"),
    long(141, "NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_RX", Link, "raw_rx_kib"),
    unsigned(142, "NVML_FI_DEV_REMAPPED_COR", Card, "remapped.corrected"),
    unsigned(143, "NVML_FI_DEV_REMAPPED_UNC", Card, "remapped.uncorrected"),
    unsigned(144, "NVML_FI_DEV_REMAPPED_PENDING", Card, "remapped.pending"),
    unsigned(145, "NVML_FI_DEV_REMAPPED_FAILURE", Card, "remapped.failed"),
    long(160, "NVML_FI_DEV_NVLINK_ECC_DATA_ERROR_COUNT_TOTAL", Sum, "ecc_data"),
    long(161, "NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY", Link, "replay"),
    long(162, "NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY", Link, "recovery"),
    long(163, "NVML_FI_DEV_NVLINK_ERROR_DL_CRC", Link, "crc_flit"),
    unsigned(164, "NVML_FI_DEV_NVLINK_GET_SPEED", Link, "speed_mb_s"),
    unsigned(165, "NVML_FI_DEV_NVLINK_GET_STATE", Link, "active"),
    unsigned(166, "NVML_FI_DEV_NVLINK_GET_VERSION", Link, "version"),
    unsigned(169, "NVML_FI_DEV_PCIE_L0_TO_RECOVERY_COUNTER", Card, "pcie.recoveries"),
    unsigned(173, "NVML_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS", Card, "pcie.correctable_errors"),
    unsigned(174, "NVML_FI_DEV_PCIE_COUNT_NAKS_RECEIVED", Card, "pcie.naks_received"),
    unsigned(175, "NVML_FI_DEV_PCIE_COUNT_RECEIVER_ERROR", Card, "pcie.receiver_errors"),
    unsigned(176, "NVML_FI_DEV_PCIE_COUNT_BAD_TLP", Card, "pcie.bad_tlps"),
    unsigned(177, "NVML_FI_DEV_PCIE_COUNT_NAKS_SENT", Card, "pcie.naks_sent"),
    unsigned(178, "NVML_FI_DEV_PCIE_COUNT_BAD_DLLP", Card, "pcie.bad_dllps"),
    unsigned(179, "NVML_FI_DEV_PCIE_COUNT_NON_FATAL_ERROR", Card, "pcie.non_fatal_errors"),
    unsigned(180, "NVML_FI_DEV_PCIE_COUNT_FATAL_ERROR", Card, "pcie.fatal_errors"),
    unsigned(181, "NVML_FI_DEV_PCIE_COUNT_UNSUPPORTED_REQ", Card, "pcie.unsupported_requests"),
    unsigned(182, "NVML_FI_DEV_PCIE_COUNT_LCRC_ERROR", Card, "pcie.lcrc_errors"),
    unsigned(183, "NVML_FI_DEV_PCIE_COUNT_LANE_ERROR", Card, "pcie.lane_errors"),
    unsigned(185, "NVML_FI_DEV_POWER_AVERAGE", Card, "power_average_mw"),
    unsigned(186, "NVML_FI_DEV_POWER_INSTANT", Card, "power_instant_mw"),
    unsigned(187, "NVML_FI_DEV_POWER_MIN_LIMIT", Card, "power_limit.min_mw"),
    unsigned(188, "NVML_FI_DEV_POWER_MAX_LIMIT", Card, "power_limit.max_mw"),
    unsigned(189, "NVML_FI_DEV_POWER_DEFAULT_LIMIT", Card, "power_limit.default_mw"),
    unsigned(190, "NVML_FI_DEV_POWER_CURRENT_LIMIT", Card, "power_limit_mw"),
    long(191, "NVML_FI_DEV_ENERGY", Card, "energy_mj"),
    unsigned(192, "NVML_FI_DEV_POWER_REQUESTED_LIMIT", Card, "power_limit.management_mw"),
    signed(193, "NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT", Card, "tlimit.shutdown"),
    signed(194, "NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT", Card, "tlimit.slowdown"),
    signed(195, "NVML_FI_DEV_TEMPERATURE_MEM_MAX_TLIMIT", Card, "tlimit.mem_max"),
    signed(196, "NVML_FI_DEV_TEMPERATURE_GPU_MAX_TLIMIT", Card, "tlimit.gpu_max"),
    long(197, "NVML_FI_DEV_PCIE_COUNT_TX_BYTES", Card, "pcie.tx_bytes"),
    long(198, "NVML_FI_DEV_PCIE_COUNT_RX_BYTES", Card, "pcie.rx_bytes"),
    long(201, "NVML_FI_DEV_NVLINK_COUNT_XMIT_PACKETS", Link, "tx_packets"),
    long(202, "NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES", Link, "tx_bytes"),
    long(203, "NVML_FI_DEV_NVLINK_COUNT_RCV_PACKETS", Link, "rx_packets"),
    long(204, "NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES", Link, "rx_bytes"),
    long(208, "NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS", Link, "rx_errors"),
    long(213, "NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS", Link, "recoveries_done"),
    long(214, "NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS", Link, "recoveries_failed"),
    long(219, "NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS", Link, "effective_errors"),
    long(221, "NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS", Link, "symbol_errors"),
    unsigned(230, "NVML_FI_DEV_GET_GPU_RECOVERY_ACTION", Card, "recovery_action"),
    long(269, "NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN", Card, "event_reason_ns.sw_thermal"),
    long(270, "NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN", Card, "event_reason_ns.hw_thermal"),
    long(271, "NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN", Card, "event_reason_ns.hw_power_brake"),
];

const fn unsigned(id: u32, name: &'static str, of: Of, path: &'static str) -> Field {
    Field { id, name, kind: Kind::Unsigned, of, path }
}

const fn long(id: u32, name: &'static str, of: Of, path: &'static str) -> Field {
    Field { id, name, kind: Kind::Long, of, path }
}

const fn signed(id: u32, name: &'static str, of: Of, path: &'static str) -> Field {
    Field { id, name, kind: Kind::Signed, of, path }
}

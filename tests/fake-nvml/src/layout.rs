//! The structures of nvml.h that a caller and this library share.

use std::ffi::{c_char, c_int, c_longlong, c_uchar, c_uint, c_ulonglong};

use crate::abi::{Code, Handle, version};

structures! {
    PciInfo = nvmlPciInfo_t {
        busIdLegacy: [c_char; 16],
        domain: c_uint,
        bus: c_uint,
        device: c_uint,
        pciDeviceId: c_uint,
        pciSubSystemId: c_uint,
        busId: [c_char; 32],
    }
    Utilization = nvmlUtilization_t {
        gpu: c_uint,
        memory: c_uint,
    }
    Memory = nvmlMemory_t {
        total: c_ulonglong,
        free: c_ulonglong,
        used: c_ulonglong,
    }
    MemoryV2 = nvmlMemory_v2_t {
        version: c_uint,
        total: c_ulonglong,
        reserved: c_ulonglong,
        free: c_ulonglong,
        used: c_ulonglong,
    }
    Bar1 = nvmlBAR1Memory_t {
        bar1Total: c_ulonglong,
        bar1Free: c_ulonglong,
        bar1Used: c_ulonglong,
    }
    Temperature = nvmlTemperature_v1_t {
        version: c_uint,
        sensorType: c_uint,
        temperature: c_int,
    }
    Margin = nvmlMarginTemperature_v1_t {
        version: c_uint,
        marginTemperature: c_int,
    }
    FanSpeed = nvmlFanSpeedInfo_v1_t {
        version: c_uint,
        fan: c_uint,
        speed: c_uint,
    }
    Violation = nvmlViolationTime_t {
        referenceTime: c_ulonglong,
        violationTime: c_ulonglong,
    }
    EccCounts = nvmlEccErrorCounts_t {
        l1Cache: c_ulonglong,
        l2Cache: c_ulonglong,
        deviceMemory: c_ulonglong,
        registerFile: c_ulonglong,
    }
    SramEcc = nvmlEccSramErrorStatus_v1_t {
        version: c_uint,
        aggregateUncParity: c_ulonglong,
        aggregateUncSecDed: c_ulonglong,
        aggregateCor: c_ulonglong,
        volatileUncParity: c_ulonglong,
        volatileUncSecDed: c_ulonglong,
        volatileCor: c_ulonglong,
        aggregateUncBucketL2: c_ulonglong,
        aggregateUncBucketSm: c_ulonglong,
        aggregateUncBucketPcie: c_ulonglong,
        aggregateUncBucketMcu: c_ulonglong,
        aggregateUncBucketOther: c_ulonglong,
        bThresholdExceeded: c_uint,
    }
    Histogram = nvmlRowRemapperHistogramValues_t {
        max: c_uint,
        high: c_uint,
        partial: c_uint,
        low: c_uint,
        none: c_uint,
    }
    RemappedRowsV2 = nvmlRemappedRowsInfo_v2_t {
        corrActiveRemaps: c_uint,
        corrInactiveRemaps: c_uint,
        uncActiveRemaps: c_uint,
        uncInactiveRemaps: c_uint,
        bPending: c_uint,
        bFailureOccurred: c_uint,
    }
    Process = nvmlProcessInfo_t {
        pid: c_uint,
        usedGpuMemory: c_ulonglong,
        gpuInstanceId: c_uint,
        computeInstanceId: c_uint,
    }
    ProcessDetail = nvmlProcessDetail_v1_t {
        pid: c_uint,
        usedGpuMemory: c_ulonglong,
        gpuInstanceId: c_uint,
        computeInstanceId: c_uint,
        usedGpuCcProtectedMemory: c_ulonglong,
    }
    ProcessV1 = nvmlProcessInfo_v1_t {
        pid: c_uint,
        usedGpuMemory: c_ulonglong,
    }
    ProcessUse = nvmlProcessUtilizationSample_t {
        pid: c_uint,
        timeStamp: c_ulonglong,
        smUtil: c_uint,
        memUtil: c_uint,
        encUtil: c_uint,
        decUtil: c_uint,
    }
    ProcessUseV1 = nvmlProcessUtilizationInfo_v1_t {
        timeStamp: c_ulonglong,
        pid: c_uint,
        smUtil: c_uint,
        memUtil: c_uint,
        encUtil: c_uint,
        decUtil: c_uint,
        jpgUtil: c_uint,
        ofaUtil: c_uint,
    }
    ProcessesUse = nvmlProcessesUtilizationInfo_v1_t {
        version: c_uint,
        processSamplesCount: c_uint,
        lastSeenTimeStamp: c_ulonglong,
        procUtilArray: *mut ProcessUseV1,
    }
    Attributes = nvmlDeviceAttributes_t {
        multiprocessorCount: c_uint,
        sharedCopyEngineCount: c_uint,
        sharedDecoderCount: c_uint,
        sharedEncoderCount: c_uint,
        sharedJpegCount: c_uint,
        sharedOfaCount: c_uint,
        gpuInstanceSliceCount: c_uint,
        computeInstanceSliceCount: c_uint,
        memorySizeMB: c_ulonglong,
    }
    FabricV1 = nvmlGpuFabricInfo_t {
        clusterUuid: [c_uchar; 16],
        status: Code,
        cliqueId: c_uint,
        state: c_uchar,
    }
    FabricV2 = nvmlGpuFabricInfo_v2_t {
        version: c_uint,
        clusterUuid: [c_uchar; 16],
        status: Code,
        cliqueId: c_uint,
        state: c_uchar,
        healthMask: c_uint,
    }
    FabricV3 = nvmlGpuFabricInfo_v3_t {
        version: c_uint,
        clusterUuid: [c_uchar; 16],
        status: Code,
        cliqueId: c_uint,
        state: c_uchar,
        healthMask: c_uint,
        healthSummary: c_uchar,
    }
    FieldValue = nvmlFieldValue_t {
        fieldId: c_uint,
        scopeId: c_uint,
        timestamp: c_longlong,
        latencyUsec: c_longlong,
        valueType: c_uint,
        nvmlReturn: Code,
        value: [c_uchar; 8],
    }
    EventData = nvmlEventData_t {
        device: Handle,
        eventType: c_ulonglong,
        eventData: c_ulonglong,
        gpuInstanceId: c_uint,
        computeInstanceId: c_uint,
    }
}

pub const MEMORY_V2: c_uint = version::<MemoryV2>(2);
pub const TEMPERATURE_V1: c_uint = version::<Temperature>(1);
pub const MARGIN_V1: c_uint = version::<Margin>(1);
pub const FAN_SPEED_V1: c_uint = version::<FanSpeed>(1);
pub const SRAM_ECC_V1: c_uint = version::<SramEcc>(1);
pub const PROCESSES_USE_V1: c_uint = version::<ProcessesUse>(1);
pub const FABRIC_V2: c_uint = version::<FabricV2>(2);
pub const FABRIC_V3: c_uint = version::<FabricV3>(3);

/// The numbers by which a caller says which version of a structure it has, for the check against nvml.h.
pub const VERSIONS: &[(&str, c_uint)] = &[
    ("nvmlMemory_v2", MEMORY_V2),
    ("nvmlTemperature_v1", TEMPERATURE_V1),
    ("nvmlMarginTemperature_v1", MARGIN_V1),
    ("nvmlFanSpeedInfo_v1", FAN_SPEED_V1),
    ("nvmlEccSramErrorStatus_v1", SRAM_ECC_V1),
    ("nvmlProcessesUtilizationInfo_v1", PROCESSES_USE_V1),
    ("nvmlGpuFabricInfo_v2", FABRIC_V2),
    ("nvmlGpuFabricInfo_v3", FABRIC_V3),
];

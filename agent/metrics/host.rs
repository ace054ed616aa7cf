//! The metrics of the host, read off the view.

use super::declare::metrics;
use crate::view::{CpuSeconds, HostView};

metrics! {
    /// What the last look at the host saw.
    pub(super) struct Host<'a> in "opsagent_host_" {
        /// How long the last look at the host took, in seconds. No series while it cannot be read.
        read_duration_seconds: Gauge [],
        /// When the host's kernel started, in seconds since the Unix epoch (btime of /proc/stat).
        boot_timestamp_seconds: Gauge [],
        /// Processors that the kernel runs on, as the last read of /proc/stat saw.
        cpus: Gauge [],
        /// Time of all processors together in seconds since the kernel started, by what they did (/proc/stat): user, nice, system, iowait, irq, softirq, steal, idle. A step back of the kernel's estimates is held.
        cpu_seconds_total: Counter ["mode"],
        /// Memory of the machine in bytes (MemTotal).
        memory_total_bytes: Gauge [],
        /// Memory that programs could still get without swapping in bytes, by the kernel's estimate (MemAvailable).
        memory_available_bytes: Gauge [],
        /// Memory that nobody uses for anything in bytes (MemFree).
        memory_free_bytes: Gauge [],
        /// Files held in memory in bytes (Cached + Buffers - Shmem): models that are mapped are here. The kernel gives it up for programs.
        memory_page_cache_bytes: Gauge [],
        /// The part of ZFS's own cache that it gives up for programs in bytes (size - c_min of its arcstats): the kernel counts it neither as available nor as files. No series without ZFS.
        memory_zfs_cache_bytes: Gauge [],
        /// Swap in bytes (SwapTotal); 0 where there is none.
        swap_total_bytes: Gauge [],
        /// Swap that is free in bytes (SwapFree).
        swap_free_bytes: Gauge [],
        /// Bytes read back from swap since the kernel started (pswpin of /proc/vmstat).
        swapped_in_bytes_total: Counter [],
        /// Bytes written to swap since the kernel started (pswpout of /proc/vmstat).
        swapped_out_bytes_total: Counter [],
        /// Processes that the kernel killed for want of memory since it started, those within a container's limit included, as the last read of /proc/vmstat saw: the usual death of a model server.
        oom_kills_total: Counter [],
        /// Time in seconds since the kernel started in which some work waited for the resource (PSI, some): cpu, memory, io.
        pressure_waiting_seconds_total: Counter ["resource"],
        /// Time in seconds since the kernel started in which all work waited for the resource (PSI, full): memory, io.
        pressure_stalled_seconds_total: Counter ["resource"],
        /// Limit of memory of a control group in bytes (memory.max), where it is below the machine's memory: what goes beyond is killed. / is the agent's own container; others are those of model servers.
        cgroup_memory_limit_bytes: Gauge ["cgroup"],
        /// Memory of a control group in bytes from which on its processes are slowed (memory.high).
        cgroup_memory_high_bytes: Gauge ["cgroup"],
        /// Memory that a control group uses in bytes (memory.current), files held in memory included.
        cgroup_memory_used_bytes: Gauge ["cgroup"],
        /// The part of a control group's memory in bytes which is files, and is given up before anything is killed (file - shmem of memory.stat).
        cgroup_memory_page_cache_bytes: Gauge ["cgroup"],
        /// Processes of a control group that were killed for want of memory, as the last read of memory.events saw.
        cgroup_oom_kills_total: Counter ["cgroup"],
        /// Size in bytes of the filesystem that holds a folder of models (statvfs).
        disk_size_bytes: Gauge ["folder"],
        /// Bytes used on the filesystem that holds a folder of models (statvfs).
        disk_used_bytes: Gauge ["folder"],
        /// Bytes that a user who is not root may still write to the filesystem that holds a folder of models (statvfs).
        disk_available_bytes: Gauge ["folder"],
        /// Energy that a part of the processor took in joules, on from what its meter (RAPL) showed when the agent first read it: package-0, package-0-dram, package-0-core, psys and the like. A package's parts are in its own count, but for dram on servers; psys is the whole machine: do not add them up.
        energy_joules_total: Counter ["domain"],
    }
}

impl<'a> Host<'a> {
    /// The series of a host; none where there is none.
    pub(super) fn of(host: Option<&'a HostView>) -> Host<'a> {
        let mut all = Host::new();
        if let Some(host) = host {
            all.machine(host);
            all.parts(host);
        }
        all
    }

    fn machine(&mut self, host: &'a HostView) {
        let count = |number: Option<u64>| number.map(|number| number as f64);
        self.read_duration_seconds.set([], host.read_duration_seconds);
        self.boot_timestamp_seconds.set([], host.booted_at.map(|at| at.as_second() as f64));
        self.cpus.set([], host.cpus.map(f64::from));
        for (mode, seconds) in CpuSeconds::MODES.into_iter().zip(host.cpu_seconds.by_mode()) {
            self.cpu_seconds_total.set([mode], seconds);
        }
        let memory = &host.memory;
        self.memory_total_bytes.set([], count(memory.total_bytes));
        self.memory_available_bytes.set([], count(memory.available_bytes));
        self.memory_free_bytes.set([], count(memory.free_bytes));
        self.memory_page_cache_bytes.set([], count(memory.page_cache_bytes));
        self.memory_zfs_cache_bytes.set([], count(memory.zfs_cache_bytes));
        self.swap_total_bytes.set([], count(memory.swap_total_bytes));
        self.swap_free_bytes.set([], count(memory.swap_free_bytes));
        self.swapped_in_bytes_total.set([], count(memory.swapped_in_bytes));
        self.swapped_out_bytes_total.set([], count(memory.swapped_out_bytes));
        self.oom_kills_total.set([], count(memory.oom_kills));
    }

    fn parts(&mut self, host: &'a HostView) {
        let count = |number: Option<u64>| number.map(|number| number as f64);
        for pressure in &host.pressure {
            let resource = [pressure.resource.name()];
            self.pressure_waiting_seconds_total.set(resource, pressure.waiting_seconds);
            self.pressure_stalled_seconds_total.set(resource, pressure.stalled_seconds);
        }
        for group in &host.cgroups {
            let cgroup = [group.cgroup.as_str()];
            self.cgroup_memory_limit_bytes.set(cgroup, count(group.limit_bytes));
            self.cgroup_memory_high_bytes.set(cgroup, count(group.high_bytes));
            self.cgroup_memory_used_bytes.set(cgroup, count(group.used_bytes));
            self.cgroup_memory_page_cache_bytes.set(cgroup, count(group.page_cache_bytes));
            self.cgroup_oom_kills_total.set(cgroup, count(group.oom_kills));
        }
        for folder in &host.folders {
            let name = [folder.folder.as_str()];
            self.disk_size_bytes.set(name, count(folder.disk.map(|disk| disk.size_bytes)));
            self.disk_used_bytes.set(name, count(folder.disk.map(|disk| disk.used_bytes)));
            self.disk_available_bytes.set(name, count(folder.disk.map(|disk| disk.available_bytes)));
        }
        for energy in &host.energy {
            self.energy_joules_total.set([&energy.domain], energy.joules);
        }
    }
}

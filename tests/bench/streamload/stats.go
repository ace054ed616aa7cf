package main

import (
	"bytes"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
)

// hist counts nanoseconds in buckets that are a 64th apart or closer.
type hist struct {
	counts [64 * 64]int
	all    int
	most   int64
}

func (h *hist) add(nanoseconds int64) {
	v := uint64(max(nanoseconds, 0))
	at := int(v)
	if v >= 64 {
		shift := bits.Len64(v) - 7
		at = shift*64 + int(v>>shift)
	}
	h.counts[min(at, len(h.counts)-1)]++
	h.all++
	h.most = max(h.most, nanoseconds)
}

// quantile in microseconds; nil where nothing was counted.
func (h *hist) quantile(part float64) any {
	rank, seen := int(part*float64(h.all-1)), 0
	for at, count := range h.counts {
		if seen += count; count > 0 && seen > rank {
			if at < 128 {
				return float64(at) / 1000
			}
			shift := at/64 - 1
			return float64((int64(at-shift*64)<<shift)+int64(1)<<(shift-1)) / 1000
		}
	}
	return nil
}

func (h *hist) tell() map[string]any {
	return map[string]any{"count": h.all, "p50": h.quantile(.5), "p90": h.quantile(.9), "p99": h.quantile(.99), "max": float64(h.most) / 1000}
}

// cpu gives the seconds that all threads of these processes ran, by the scheduler's own count.
func cpu(pids []string) float64 {
	nanoseconds := 0
	for _, pid := range pids {
		paths, _ := filepath.Glob("/proc/" + pid + "/task/*/schedstat")
		for _, path := range paths {
			if text, err := os.ReadFile(path); err == nil {
				n, _ := strconv.Atoi(string(bytes.Fields(text)[0]))
				nanoseconds += n
			}
		}
	}
	return float64(nanoseconds) / 1e9
}

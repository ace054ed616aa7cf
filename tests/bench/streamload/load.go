package main

import (
	"fmt"
	"math/rand"
	"time"
)

// streams: users at a reader's pace or without one, and one who asks in turn directly and through each proxy.
func streams(o options) map[string]any {
	l := newLoop()
	var first, delay, uneven hist
	probes := make([]hist, 1+len(o.vias))
	var chunks, joined, done, bad, errors int
	measured := false
	chunkCame := func(sent, came int64, previous chunk, together bool) {
		if !measured {
			return
		}
		chunks++
		delay.add(came - sent)
		off := (came - previous.came) - (sent - previous.sent)
		uneven.add(max(off, -off))
		if together && sent-previous.sent > int64(o.gap)*500 {
			joined++
		}
	}
	users := o.streams
	if o.direct != "" {
		users--
		prober := &user{l: l, to: append([]string{o.direct}, o.vias...), request: post(true, 3, 0, ""),
			pause: func() int64 { return 100_000 + rand.Int63n(900_000) },
			answered: func(_ *user, turn int, ok bool, began, first, _ int64) {
				if measured && ok {
					probes[turn].add(first - began)
				} else if !ok {
					errors++
				}
			}}
		prober.ask()
	}
	waiting := map[*user]bool{}
	for i := 0; i < users*len(o.vias); i++ {
		u := &user{l: l, to: o.vias[i%len(o.vias):][:1], request: post(true, o.tokens, o.gap, ""), chunk: chunkCame,
			answered: func(_ *user, _ int, ok bool, began, came, _ int64) {
				if !ok {
					errors++
				}
				if !measured {
					return
				}
				if ok {
					done++
					first.add(came - began)
				} else {
					bad++
				}
			}}
		waiting[u] = true
		// Not in step: each begins at another time of the warm-up.
		l.after(rand.Int63n(int64(o.warm*0.8e9)+1), u.ask)
	}
	var c0, c1 float64
	var t0, t1 int64
	l.after(int64(o.warm*1e9), func() { measured, c0, t0 = true, cpu(o.pids), time.Now().UnixNano() })
	l.after(int64((o.warm+o.seconds)*1e9), func() { c1, t1, l.done = cpu(o.pids), time.Now().UnixNano(), true })
	l.run()
	// Who still waits for a first token has waited so long at least.
	unserved := 0
	for u := range waiting {
		if u.first == 0 && u.began != 0 && t1-u.began > int64(time.Second) {
			first.add(t1 - u.began)
			unserved++
		}
	}
	out := map[string]any{"streams": done, "bad": bad, "errors": errors, "chunks": chunks, "seconds": float64(t1-t0) / 1e9, "cpu_s": c1 - c0,
		"first": first.tell(), "unserved": unserved, "delay": delay.tell(), "uneven": uneven.tell(), "joined": joined}
	if o.direct != "" {
		told := make([]any, len(o.vias))
		for i := range told {
			told[i] = probes[1+i].tell()
		}
		out["probe_direct"], out["probe_via"] = probes[0].tell(), told
	}
	return out
}

// short: one small request after the other.
func short(o options) map[string]any {
	l := newLoop()
	var took hist
	var bad int
	measured := false
	more := ""
	if o.fresh {
		more = "Connection: close\r\n"
	}
	request := post(false, 1, 0, more)
	for i := 0; i < o.streams; i++ {
		u := &user{l: l, to: o.vias, request: request, fresh: o.fresh,
			answered: func(_ *user, _ int, ok bool, began, _, end int64) {
				if !measured {
					return
				}
				if ok {
					took.add(end - began)
				} else {
					bad++
				}
			}}
		l.after(rand.Int63n(int64(o.warm*0.5e9)+1), u.ask)
	}
	var c0, c1 float64
	var t0, t1 int64
	l.after(int64(o.warm*1e9), func() { measured, c0, t0 = true, cpu(o.pids), time.Now().UnixNano() })
	l.after(int64((o.warm+o.seconds)*1e9), func() { c1, t1, l.done = cpu(o.pids), time.Now().UnixNano(), true })
	l.run()
	return map[string]any{"requests": took.all, "bad": bad, "seconds": float64(t1-t0) / 1e9, "cpu_s": c1 - c0, "took": took.tell()}
}

// idle: streams that gave their first chunk and will not give another for hours.
func idle(o options) map[string]any {
	// So many are being opened at once: fewer than any listener's backlog.
	const opening = 64
	l := newLoop()
	begun, open, bad := 0, 0, 0
	start := time.Now()
	var next func()
	next = func() {
		if begun == o.streams {
			return
		}
		begun++
		u := &user{l: l, to: o.vias, request: post(true, 2, 3_600_000_000, ""),
			answered: func(*user, int, bool, int64, int64, int64) { bad++ }}
		u.begins = func() {
			if open++; open == o.streams {
				fmt.Printf("{\"open\":%d,\"seconds\":%.3f}\n", open, time.Since(start).Seconds())
			}
			next()
		}
		u.ask()
	}
	for i := 0; i < opening; i++ {
		next()
	}
	// The end of the standard input, which must be a pipe.
	l.watch(0, func(uint32) { l.done = true })
	var check func()
	check = func() {
		if open < o.streams && (bad > 0 || time.Since(start) > 120*time.Second) {
			l.done = true
			return
		}
		l.after(int64(100*time.Millisecond), check)
	}
	check()
	l.run()
	return map[string]any{"open": open, "bad": bad}
}

// streamload: a server of streams that costs little, and a client that times them, directly and through a proxy.
//
//	streamload serve ADDR       answers POST /v1/chat/completions as an LLM server does: "max_tokens" chunks, one
//	                            every "user" microseconds, or one JSON body where "stream" is not true; and
//	                            GET /v1/models. Every chunk tells when it was sent.
//	streamload streams ...      so many users, each of whom asks for a stream, reads it and asks again
//	streamload short ...        so many connections with one short request after the other
//	streamload idle ...         opens so many streams, says so, and holds them until its standard input ends
//
// Results are one line of JSON, times in microseconds. Both sides are one thread with epoll, so that they take
// less of the machine than what is measured.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

func main() {
	// One thread, and nothing is collected: both sides reuse what they allocate.
	runtime.GOMAXPROCS(1)
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	if len(os.Args) < 3 {
		fail("usage: streamload serve ADDR | streams|short|idle -via ADDR ...")
	}
	mode := os.Args[1]
	if mode == "serve" {
		serve(os.Args[2])
		return
	}
	var o options
	flags := flag.NewFlagSet(mode, flag.ExitOnError)
	via := flags.String("via", "", "address of the proxy, or of several, separated by commas")
	flags.StringVar(&o.direct, "direct", "", "address of the server: one user more asks it and each proxy in turn")
	flags.IntVar(&o.streams, "streams", 1, "streams or connections at once, of each proxy")
	flags.IntVar(&o.tokens, "tokens", 100, "chunks a stream")
	flags.IntVar(&o.gap, "gap", 10000, "microseconds between chunks")
	flags.Float64Var(&o.warm, "warm", 0.5, "seconds before it is measured")
	flags.Float64Var(&o.seconds, "seconds", 3, "seconds that are measured")
	flags.BoolVar(&o.fresh, "fresh", false, "short: a new connection for each")
	pids := flags.String("pids", "", "processes whose CPU time is told, separated by commas")
	flags.Parse(os.Args[2:])
	o.vias = strings.Split(*via, ",")
	if mode != "streams" && len(o.vias) > 1 {
		fail("several proxies at once: of streams alone")
	}
	if *pids != "" {
		o.pids = strings.Split(*pids, ",")
	}
	var result map[string]any
	switch mode {
	case "streams":
		result = streams(o)
	case "short":
		result = short(o)
	case "idle":
		result = idle(o)
	default:
		fail("unknown: " + mode)
	}
	json.NewEncoder(os.Stdout).Encode(result)
}

// options of a run.
type options struct {
	vias          []string
	direct        string
	streams       int
	tokens, gap   int
	warm, seconds float64
	fresh         bool
	pids          []string
}

func fail(what any) {
	fmt.Fprintln(os.Stderr, "streamload:", what)
	os.Exit(1)
}

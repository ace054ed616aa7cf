package main

import (
	"bytes"
	"strconv"
	"syscall"
	"time"
)

const (
	streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
	// As long as a token's chunk of llama-server is: some 170 bytes. The token is the time at which it is sent.
	before = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" "
	after  = "\"},\"finish_reason\":null}]}\n\n"
	digits = 19
	models = `{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"x"}]}`
	whole  = `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}`
)

func serve(addr string) {
	l := newLoop()
	fd := socket()
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err := syscall.Bind(fd, address(addr)); err != nil {
		fail(err)
	}
	if err := syscall.Listen(fd, 4096); err != nil {
		fail(err)
	}
	l.watch(fd, func(uint32) {
		for {
			one, _, err := syscall.Accept4(fd, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
			if err != nil {
				return
			}
			syscall.SetsockoptInt(one, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
			c := &served{l: l, fd: one}
			c.next = c.send
			l.watch(one, c.ready)
		}
	})
	l.run()
}

// served is a client's connection.
type served struct {
	l    *loop
	fd   int
	in   []byte
	out  []byte
	full bool
	gone bool
	last bool
	// Of the stream that is being sent.
	sent, tokens int
	gap, due     int64
	next         func()
}

// One buffer for all: what a request leaves over is copied out of it.
var scratch = make([]byte, 64<<10)

func (c *served) ready(events uint32) {
	if events&syscall.EPOLLOUT != 0 && c.full {
		c.full = false
		c.flush()
		if !c.full && c.gap == 0 && c.sent < c.tokens {
			c.l.after(0, c.next)
		}
	}
	for !c.gone && events&(syscall.EPOLLIN|syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		n := read(c.fd, scratch)
		if n == -1 {
			return
		}
		if n <= 0 {
			c.leave()
			return
		}
		c.in = append(c.in, scratch[:n]...)
		c.requests()
		if n < len(scratch) && events&syscall.EPOLLRDHUP == 0 {
			return
		}
	}
}

func (c *served) leave() {
	if !c.gone {
		c.gone = true
		c.l.close(c.fd)
	}
}

// requests answers what has wholly come.
func (c *served) requests() {
	for !c.gone && c.sent == c.tokens {
		end := bytes.Index(c.in, []byte("\r\n\r\n"))
		if end < 0 {
			return
		}
		head := c.in[:end]
		length := 0
		for _, line := range bytes.Split(head, []byte("\r\n")) {
			if value := header(line, "content-length"); value != nil {
				length, _ = strconv.Atoi(string(value))
			} else if value := header(line, "connection"); value != nil {
				c.last = bytes.EqualFold(value, []byte("close"))
			}
		}
		if len(c.in) < end+4+length {
			return
		}
		c.answer(head, c.in[end+4:end+4+length])
		c.in = c.in[:copy(c.in, c.in[end+4+length:])]
	}
}

func (c *served) answer(head, body []byte) {
	switch {
	case bytes.HasPrefix(head, []byte("GET /v1/models ")):
		c.json(models)
	case !bytes.HasPrefix(head, []byte("POST /v1/chat/completions ")):
		c.out = append(c.out, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nnot found"...)
		c.flush()
	case !truth(body, `"stream":`):
		c.json(whole)
	default:
		c.sent, c.tokens, c.gap = 0, number(body, `"max_tokens":`), int64(number(body, `"seed":`))*1000
		c.due = time.Now().UnixNano()
		c.out = append(c.out, streamHead...)
		c.send()
	}
}

func (c *served) json(body string) {
	c.out = append(c.out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, body...)
	c.flush()
}

// send the next chunk, with one write, and see to the one after it.
func (c *served) send() {
	if c.gone || c.full {
		return
	}
	c.out = appendChunk(c.out, before, after, time.Now().UnixNano())
	c.sent++
	if c.sent < c.tokens {
		c.due += c.gap
		c.l.timers.push(timer{c.due, c.next})
		c.flush()
		return
	}
	usage := `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":` +
		strconv.Itoa(c.tokens) + `,"total_tokens":` + strconv.Itoa(c.tokens+5) + "}}\n\ndata: [DONE]\n\n"
	c.out = strconv.AppendInt(c.out, int64(len(usage)), 16)
	c.out = append(c.out, "\r\n"...)
	c.out = append(c.out, usage...)
	c.out = append(c.out, "\r\n0\r\n\r\n"...)
	c.flush()
}

func appendChunk(to []byte, before, after string, now int64) []byte {
	to = strconv.AppendInt(to, int64(len(before)+digits+len(after)), 16)
	to = append(to, "\r\n"...)
	to = append(to, before...)
	to = strconv.AppendInt(to, now, 10)
	to = append(to, after...)
	return append(to, "\r\n"...)
}

func (c *served) flush() {
	if c.gone || c.full || len(c.out) == 0 {
		return
	}
	n := write(c.fd, c.out)
	if n == -2 {
		c.leave()
		return
	}
	if n < 0 {
		n = 0
	}
	c.full = n < len(c.out)
	c.out = c.out[:copy(c.out, c.out[n:])]
	if c.last && !c.full && c.sent == c.tokens {
		c.leave()
	}
}

// header gives the value of a header's line, if it is this header.
func header(line []byte, name string) []byte {
	if len(line) <= len(name) || line[len(name)] != ':' || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil
	}
	return bytes.TrimSpace(line[len(name)+1:])
}

// number gives the first number after the key, quoted or not.
func number(body []byte, key string) int {
	at := bytes.Index(body, []byte(key))
	if at < 0 {
		return 0
	}
	found := 0
	for _, b := range bytes.TrimLeft(body[at+len(key):], " \"") {
		if b < '0' || b > '9' {
			break
		}
		found = found*10 + int(b-'0')
	}
	return found
}

func truth(body []byte, key string) bool {
	at := bytes.Index(body, []byte(key))
	return at >= 0 && bytes.HasPrefix(bytes.TrimLeft(body[at+len(key):], " "), []byte("true"))
}

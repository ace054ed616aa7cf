package main

import (
	"fmt"
	"strconv"
	"syscall"
	"time"
)

// user is one who asks, reads the answer, and asks again: over one connection, or over two in turn.
type user struct {
	l        *loop
	to       []string
	turn     int
	conns    []*conn
	request  func(to string) []byte
	pause    func() int64
	fresh    bool
	gap      int64
	answered func(u *user, turn int, ok bool, began, first, end int64)
	chunk    func(sent, came int64, previous chunk, joined bool)
	// Optional: an answer's first chunk came.
	begins func()
	began  int64
	first  int64
	last   chunk
}

type chunk struct{ sent, came int64 }

// conn is a connection and what has been read of an answer.
type conn struct {
	u     *user
	fd    int
	turn  int
	body  answer
	alive bool
	out   []byte
}

func (u *user) ask() {
	if u.conns == nil {
		u.conns = make([]*conn, len(u.to))
	}
	c := u.conns[u.turn]
	u.first, u.last = 0, chunk{}
	u.began = time.Now().UnixNano()
	if c == nil || !c.alive || u.fresh {
		c = &conn{u: u, fd: socket(), turn: u.turn, alive: true}
		u.conns[u.turn] = c
		if err := syscall.Connect(c.fd, address(u.to[u.turn])); err != nil && err != syscall.EINPROGRESS {
			fail(err)
		}
		c.out = u.request(u.to[u.turn])
		c.body.reset()
		u.l.watch(c.fd, c.ready)
		return
	}
	c.body.reset()
	if request := u.request(u.to[u.turn]); write(c.fd, request) != len(request) {
		c.end(false)
	}
}

func (c *conn) ready(events uint32) {
	if c.out != nil && events&syscall.EPOLLOUT != 0 {
		request := c.out
		c.out = nil
		if events&(syscall.EPOLLERR|syscall.EPOLLHUP) != 0 || write(c.fd, request) != len(request) {
			c.end(false)
			return
		}
	}
	for c.alive && events&(syscall.EPOLLIN|syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		n := read(c.fd, scratch)
		if n == -1 {
			return
		}
		if n <= 0 {
			// One that is closed while nobody waits is opened anew by the next request.
			c.alive = false
			c.u.l.close(c.fd)
			if c.body.state != answered {
				c.u.done(c, false)
			}
			return
		}
		now, chunks := time.Now().UnixNano(), 0
		c.body.feed(scratch[:n], func(sent int64) {
			u := c.u
			if u.first == 0 {
				u.first = now
				if u.begins != nil {
					u.begins()
				}
			}
			chunks++
			if u.chunk != nil && u.last.came != 0 {
				u.chunk(sent, now, u.last, chunks > 1)
			}
			u.last = chunk{sent, now}
		})
		if c.body.state == answered {
			c.end(c.body.whole())
			return
		}
		if n < len(scratch) && events&syscall.EPOLLRDHUP == 0 {
			return
		}
	}
}

func (c *conn) end(ok bool) {
	if !ok || c.u.fresh {
		c.alive = false
		c.u.l.close(c.fd)
	}
	c.u.done(c, ok)
}

func (u *user) done(c *conn, ok bool) {
	u.answered(u, c.turn, ok, u.began, u.first, time.Now().UnixNano())
	u.turn = (u.turn + 1) % len(u.to)
	pause := int64(0)
	if u.pause != nil {
		pause = u.pause()
	}
	if !ok {
		pause = max(pause, int64(10*time.Millisecond))
	}
	if pause == 0 {
		u.ask()
		return
	}
	u.l.after(pause, u.ask)
}

// post is a request for a completion.
func post(stream bool, tokens, gap int, more string) func(string) []byte {
	body := fmt.Sprintf(`{"model":"m","stream":%t,"max_tokens":%d,"seed":%d,"messages":[{"role":"user","content":"hello"}]}`, stream, tokens, gap)
	made := map[string][]byte{}
	return func(to string) []byte {
		if made[to] == nil {
			made[to] = []byte("POST /v1/chat/completions HTTP/1.1\r\nHost: " + to + "\r\nAuthorization: Bearer sk-x\r\nContent-Type: application/json\r\n" +
				more + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
		}
		return made[to]
	}
}

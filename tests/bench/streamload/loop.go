package main

import (
	"net"
	"syscall"
	"time"
	"unsafe"
)

// Raw system calls: the runtime has one thread and nothing else to run meanwhile.

const sysEpollPwait2 = 441

// loop is one epoll instance and its timers.
type loop struct {
	ep     int
	ready  map[int32]func(events uint32)
	timers timers
	done   bool
}

func newLoop() *loop {
	ep, err := syscall.EpollCreate1(0)
	if err != nil {
		fail(err)
	}
	return &loop{ep: ep, ready: map[int32]func(uint32){}}
}

// watch calls back whenever the socket can be read, or written after it could not be.
func (l *loop) watch(fd int, ready func(events uint32)) {
	l.ready[int32(fd)] = ready
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | edge, Fd: int32(fd)}
	if err := syscall.EpollCtl(l.ep, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
		fail(err)
	}
}

const edge = 1 << 31

func (l *loop) close(fd int) {
	delete(l.ready, int32(fd))
	syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0)
}

// run until done. What is due is called between the events.
func (l *loop) run() {
	events := make([]syscall.EpollEvent, 256)
	for !l.done {
		wait := int64(time.Second)
		now := time.Now().UnixNano()
		for len(l.timers) > 0 {
			if wait = l.timers[0].at - now; wait > 0 {
				break
			}
			call := l.timers.pop()
			wait = 0
			call()
			if l.done {
				return
			}
			now = time.Now().UnixNano()
		}
		wait = min(wait, int64(time.Second))
		timeout := syscall.NsecToTimespec(max(wait, 0))
		n, _, _ := syscall.RawSyscall6(sysEpollPwait2, uintptr(l.ep), uintptr(unsafe.Pointer(&events[0])),
			uintptr(len(events)), uintptr(unsafe.Pointer(&timeout)), 0, 0)
		for i := 0; i < int(int32(n)) && !l.done; i++ {
			if ready := l.ready[events[i].Fd]; ready != nil {
				ready(events[i].Events)
			}
		}
	}
}

// after calls back once, so many nanoseconds from now; 0 is after the events that are ready now.
func (l *loop) after(nanoseconds int64, call func()) {
	l.timers.push(timer{time.Now().UnixNano() + nanoseconds, call})
}

// read gives the number of bytes, 0 at the end, -1 where nothing is there yet, -2 on an error.
func read(fd int, to []byte) int {
	return outcome(syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&to[0])), uintptr(len(to))))
}

// write is as read.
func write(fd int, from []byte) int {
	return outcome(syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&from[0])), uintptr(len(from))))
}

func outcome(n, _ uintptr, err syscall.Errno) int {
	switch err {
	case 0:
		return int(n)
	case syscall.EAGAIN, syscall.EINTR:
		return -1
	}
	return -2
}

func address(text string) *syscall.SockaddrInet4 {
	found, err := net.ResolveTCPAddr("tcp4", text)
	if err != nil {
		fail(err)
	}
	return &syscall.SockaddrInet4{Port: found.Port, Addr: [4]byte(found.IP.To4())}
}

func socket() int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		fail(err)
	}
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	return fd
}

// timers is a heap: the first is due first.
type timers []timer

type timer struct {
	at   int64
	call func()
}

func (t *timers) push(one timer) {
	*t = append(*t, one)
	h, i := *t, len(*t)-1
	for i > 0 && h[i].at < h[(i-1)/2].at {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		i = (i - 1) / 2
	}
}

func (t *timers) pop() func() {
	h := *t
	call, last := h[0].call, len(h)-1
	h[0], h[last] = h[last], timer{}
	h = h[:last]
	for i := 0; ; {
		least := 2*i + 1
		if least >= last {
			break
		}
		if least+1 < last && h[least+1].at < h[least].at {
			least++
		}
		if h[i].at <= h[least].at {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	*t = h
	return call
}

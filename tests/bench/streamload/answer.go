package main

import (
	"bytes"
	"strconv"
)

// answer reads one answer of HTTP: chunked, or of a length.
type answer struct {
	state int
	// It is a 200, and nothing was malformed.
	ok      bool
	chunked bool
	// The stream's own end came.
	done bool
	// Bytes of the body or the chunk that are to come.
	left int
	// What is kept of a line of HTTP, and of one of the stream, until the rest comes.
	line, text []byte
}

// The states of an answer.
const (
	inHead = iota
	inSized
	inChunkHead
	inChunk
	inChunkEnd
	inTrailer
	answered
)

func (a *answer) reset() {
	*a = answer{line: a.line[:0], text: a.text[:0]}
}

func (a *answer) whole() bool {
	return a.ok && (a.done || !a.chunked)
}

// feed bytes as they came; told is called with the time in each chunk's token.
func (a *answer) feed(from []byte, told func(sent int64)) {
	for len(from) > 0 && a.state != answered {
		switch a.state {
		case inSized, inChunk:
			n := min(a.left, len(from))
			a.payload(from[:n], told)
			from, a.left = from[n:], a.left-n
			if a.left == 0 {
				if a.state == inChunk {
					a.state = inChunkEnd
				} else {
					a.state = answered
				}
			}
		default:
			at := bytes.IndexByte(from, '\n')
			if at < 0 {
				a.line = append(a.line, from...)
				return
			}
			line := from[:at]
			if len(a.line) > 0 {
				a.line = append(a.line, line...)
				line = a.line
			}
			a.control(bytes.TrimSuffix(line, []byte("\r")))
			a.line, from = a.line[:0], from[at+1:]
		}
	}
}

// control reads a line of HTTP itself.
func (a *answer) control(line []byte) {
	switch a.state {
	case inHead:
		switch {
		case len(line) == 0 && a.chunked:
			a.state = inChunkHead
		case len(line) == 0 && a.left > 0:
			a.state = inSized
		case len(line) == 0:
			a.state = answered
		case bytes.HasPrefix(line, []byte("HTTP/1.1 200")):
			a.ok = true
		default:
			if value := header(line, "content-length"); value != nil {
				a.left, _ = strconv.Atoi(string(value))
			} else if value := header(line, "transfer-encoding"); value != nil {
				a.chunked = true
				a.ok = a.ok && bytes.EqualFold(value, []byte("chunked"))
			}
		}
	case inChunkHead:
		size, err := strconv.ParseInt(string(line), 16, 32)
		switch {
		case err != nil:
			a.ok, a.state = false, answered
		case size == 0:
			a.state = inTrailer
		default:
			a.left, a.state = int(size), inChunk
		}
	case inChunkEnd:
		a.state = inChunkHead
	case inTrailer:
		if len(line) == 0 {
			a.state = answered
		}
	}
}

var token, end = []byte(`"content":" `), []byte("data: [DONE]")

// payload reads the lines of a stream of events.
func (a *answer) payload(from []byte, told func(sent int64)) {
	if !a.chunked {
		return
	}
	for {
		at := bytes.IndexByte(from, '\n')
		if at < 0 {
			a.text = append(a.text, from...)
			return
		}
		line := from[:at]
		if len(a.text) > 0 {
			a.text = append(a.text, line...)
			line = a.text
		}
		if at := bytes.Index(line, token); at >= 0 && len(line) >= at+len(token)+digits {
			sent := int64(0)
			for _, b := range line[at+len(token):][:digits] {
				sent = sent*10 + int64(b-'0')
			}
			told(sent)
		} else if bytes.Equal(line, end) {
			a.done = true
		}
		a.text, from = a.text[:0], from[at+1:]
	}
}

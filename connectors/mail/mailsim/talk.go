package mailsim

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/textproto"
	"strings"
)

// A talk is one connection.
type talk struct {
	sim    *Sim
	conn   net.Conn
	text   *textproto.Conn
	secure bool
	known  bool // has logged in, or need not
	from   string
	to     []string
	fault  Fault // that strikes the mail at hand
}

// Serve talks with one client until either hangs up.
func (s *Sim) Serve(conn net.Conn) {
	s.mu.Lock()
	if s.closed {
		conn.Close()
	}
	s.lines[conn] = true
	s.mu.Unlock()
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.lines, conn)
		s.mu.Unlock()
	}()
	_, secure := conn.(*tls.Conn)
	t := &talk{sim: s, conn: conn, text: textproto.NewConn(conn), secure: secure, known: s.User == ""}
	for went := t.say(220, "mailsim ESMTP"); went; {
		line, err := t.text.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		went = t.answer(strings.ToUpper(verb), rest)
	}
}

// say answers with one line, or with several; false when nothing more can be said.
func (t *talk) say(code int, lines ...string) bool {
	var answer strings.Builder
	for i, line := range lines {
		mark := "-"
		if i == len(lines)-1 {
			mark = " "
		}
		fmt.Fprintf(&answer, "%d%s%s\r\n", code, mark, line)
	}
	_, err := t.conn.Write([]byte(answer.String()))
	return err == nil
}

// answer does one command; false ends the talk.
func (t *talk) answer(verb, rest string) bool {
	switch verb {
	case "EHLO", "HELO":
		return t.greet()
	case "STARTTLS":
		return t.hide()
	case "AUTH":
		return t.login(rest)
	case "MAIL":
		return t.begin(rest)
	case "RCPT":
		return t.address(rest)
	case "DATA":
		return t.take()
	case "RSET":
		t.from, t.to = "", nil
		return t.say(250, "OK")
	case "NOOP":
		return t.say(250, "OK")
	case "QUIT":
		t.say(221, "Bye")
		return false
	}
	return t.say(502, "Command not implemented")
}

func (t *talk) greet() bool {
	can := []string{"mailsim", "8BITMIME", "SMTPUTF8"}
	if t.sim.Certificate != nil && !t.secure {
		can = append(can, "STARTTLS")
	}
	if t.sim.User != "" {
		can = append(can, "AUTH PLAIN")
	}
	return t.say(250, can...)
}

// hide goes over to TLS.
func (t *talk) hide() bool {
	if t.sim.Certificate == nil || t.secure {
		return t.say(502, "Command not implemented")
	}
	if !t.say(220, "Go ahead") {
		return false
	}
	secure := tls.Server(t.conn, &tls.Config{Certificates: []tls.Certificate{*t.sim.Certificate}})
	if secure.Handshake() != nil {
		return false
	}
	t.conn, t.text, t.secure = secure, textproto.NewConn(secure), true
	return true
}

func (t *talk) login(rest string) bool {
	shown, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(rest, "PLAIN "))
	t.known = err == nil && string(shown) == "\x00"+t.sim.User+"\x00"+t.sim.Password
	if !t.known {
		return t.say(535, "Authentication credentials invalid")
	}
	return t.say(235, "Authentication successful")
}

func (t *talk) begin(rest string) bool {
	t.fault = t.sim.fault()
	from, ok := path(rest, "FROM:")
	switch {
	case !t.known:
		return t.say(530, "Authentication required")
	case !ok:
		return t.say(501, "Syntax error in parameters")
	case t.fault == BadSender:
		return t.say(553, "Sender address rejected: not owned by user "+t.sim.User)
	}
	t.from, t.to = from, nil
	return t.say(250, "OK")
}

func (t *talk) address(rest string) bool {
	to, ok := path(rest, "TO:")
	switch {
	case t.from == "":
		return t.say(503, "Bad sequence of commands")
	case !ok:
		return t.say(501, "Syntax error in parameters")
	case t.fault == NoSuchPerson:
		return t.say(550, "5.1.1 <"+to+">: no such person here")
	case t.fault == Greylisted:
		return t.say(451, "4.7.1 <"+to+">: come back later")
	}
	t.to = append(t.to, to)
	return t.say(250, "OK")
}

// path reads the address in a MAIL or RCPT.
func path(rest, key string) (string, bool) {
	if len(rest) < len(key) || !strings.EqualFold(rest[:len(key)], key) {
		return "", false
	}
	address, _, closed := strings.Cut(strings.TrimPrefix(rest[len(key):], "<"), ">")
	return address, closed && strings.Count(address, "@") == 1 && !strings.ContainsAny(address, " <>,;\"\t")
}

// take reads a mail to its end.
func (t *talk) take() bool {
	switch {
	case len(t.to) != 1: // it is for one person, and for nobody else to see whom
		return t.say(503, "Bad sequence of commands")
	case t.fault == Full:
		return t.say(452, "Insufficient system storage")
	case t.fault == LostBefore || !t.say(354, "Go ahead"):
		return false
	}
	text, err := readData(t.text.R)
	if err != nil {
		return false
	}
	switch t.fault {
	case Unwanted:
		return t.say(554, "5.7.1 Message for "+t.to[0]+" rejected")
	case Hasty:
		t.say(421, "Shutting down")
		return false
	}
	if err := t.sim.take(Mail{From: t.from, To: t.to[0], Text: text, Secure: t.secure}); err != nil {
		return t.say(554, "Transaction failed")
	}
	t.from, t.to = "", nil
	return t.fault != LostAfter && t.say(250, "OK") && t.fault != LostGoodbye
}

// largest bounds a mail, in bytes.
const largest = 1 << 20

// readData reads lines until the one that is a full stop, with their ends as they came.
func readData(r *bufio.Reader) ([]byte, error) {
	var text []byte
	for {
		line, err := r.ReadBytes('\n')
		switch {
		case err != nil:
			return nil, err
		case string(line) == ".\r\n":
			return text, nil
		case line[0] == '.':
			line = line[1:]
		}
		if text = append(text, line...); len(text) > largest {
			return nil, errNoMail
		}
	}
}

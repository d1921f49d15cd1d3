package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/knutpunkt/knutpunkt/hub"
)

// patience is how long the mail server may be silent.
const patience = 30 * time.Second

// A session is one connection to the mail server, made when there is something to send.
type session struct {
	*post
	client *mail.Client
	server *smtp.Client // nil before it is made
	conn   net.Conn     // nil before there is any
	stay   func() bool  // no longer hangs up when the context ends
}

// send sends one mail.
func (s *session) send(ctx context.Context, m *mail.Msg) error {
	if s.server == nil {
		if err := s.begin(ctx); err != nil {
			return err
		}
	}
	err := s.client.SendWithSMTPClient(s.server, m)
	if m.IsDelivered() { // whatever became of the line afterwards
		return nil
	}
	return answerOf(err)
}

// begin connects, makes the line secure and logs in. Nothing has been sent by then, so that whatever
// fails is a *not now*.
func (s *session) begin(ctx context.Context) (err error) {
	s.hangUp() // on a server that was busy when somebody else was to be told
	options := []mail.Option{
		mail.WithPort(s.port), mail.WithTimeout(patience), mail.WithHELO(s.domain()), mail.WithDialContextFunc(s.dialUnder(ctx)),
		mail.WithTLSConfig(s.tlsConfig()), mail.WithTLSPolicy(mail.TLSMandatory), mail.WithoutNoop(), mail.WithoutSMTPUTF8(),
	}
	switch {
	case s.secure:
		options = append(options, mail.WithSSL())
	case s.here:
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic))
	}
	if s.conf.User != "" {
		options = append(options, mail.WithUsername(s.conf.User), mail.WithPassword(s.conf.Password.Reveal()),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	if s.client, err = mail.NewClient(s.host, options...); err != nil {
		return hub.Unavailable(errors.New("the mail server's address cannot be used"), hub.AddressChanged)
	}
	if s.server, err = s.client.DialToSMTPClientWithContext(ctx); err != nil {
		return s.unconnected(ctx, err)
	}
	return nil
}

// dialUnder connects through the one door out, and hangs up when ctx ends: the library looks at a
// context while it connects, and never again.
func (s *session) dialUnder(ctx context.Context) mail.DialContextFunc {
	return func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := s.env.Dial(dialing, network, address)
		if err != nil {
			return nil, err
		}
		s.conn, s.stay = conn, context.AfterFunc(ctx, func() { conn.Close() })
		if !s.secure {
			return conn, nil
		}
		secure := tls.Client(conn, s.tlsConfig())
		return secure, secure.HandshakeContext(dialing)
	}
}

func (s *session) tlsConfig() *tls.Config {
	c := &tls.Config{}
	if s.env.TLS != nil {
		c = s.env.TLS.Clone()
	}
	c.ServerName, c.MinVersion = s.host, max(c.MinVersion, tls.VersionTLS12)
	return c
}

// unconnected says why there is no connection that mail can be sent over.
func (s *session) unconnected(ctx context.Context, err error) error {
	var untrusted *tls.CertificateVerificationError
	var said *textproto.Error
	switch {
	case ctx.Err() != nil:
		return hub.Later(errors.New("nothing was sent: given up"), 0)
	case s.conn == nil:
		return hub.Unavailable(errors.New("the mail server cannot be reached"), hub.Down)
	case errors.As(err, &untrusted):
		return hub.Unavailable(errors.New("the mail server's certificate is not accepted"), hub.Credentials)
	case errors.As(err, &said) && said.Code/100 == 5:
		return hub.Unavailable(fmt.Errorf("the mail server does not let us in: %d", said.Code), hub.Credentials)
	case errors.As(err, &said):
		return hub.Later(fmt.Errorf("the mail server is busy: %d", said.Code), 0)
	}
	return hub.Unavailable(errors.New("the mail server gives no secure line that we can log in over"), hub.Down)
}

// answerOf reads what became of a mail. Before the last line of it is sent nothing has been taken; after
// it only the server knows.
func answerOf(err error) error {
	var failed *mail.SendError
	if !errors.As(err, &failed) {
		return errors.New("the mail library says nothing that is known")
	}
	said := fmt.Errorf("the mail server answers %d", failed.ErrorCode())
	begun := failed.Reason == mail.ErrWriteContent || failed.Reason == mail.ErrSMTPDataClose
	switch code := failed.ErrorCode(); {
	case code/100 == 4:
		return hub.Later(said, 0)
	case code/100 == 5 && failed.Reason == mail.ErrSMTPMailFrom:
		return hub.Unavailable(fmt.Errorf("%w to who it is from", said), hub.Credentials)
	case code/100 == 5:
		return hub.Reject(said)
	case begun:
		return errors.New("the line was lost when the mail had been sent")
	}
	return hub.Unavailable(errors.New("the line was lost before the mail was sent"), hub.Down)
}

// end says goodbye, and hangs up whatever is said to that.
func (s *session) end() {
	if s.server != nil {
		s.client.CloseWithSMTPClient(s.server)
	}
	s.hangUp()
}

func (s *session) hangUp() {
	if s.conn != nil {
		s.stay()
		s.conn.Close()
		s.conn = nil
	}
}

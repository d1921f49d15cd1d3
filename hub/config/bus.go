package config

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Kafka cluster is what processes wake each other over, and what the feed may be made known
// on.
type Kafka struct {
	Brokers  []string   // HOST:PORT
	User     string     // "" where the brokers ask nobody who she is
	Password hub.Secret // of User
	Login    string     // how it is shown: scram-sha-512, scram-sha-256 or plain
	TLS      *TLS       // nil: in the clear
	Wakes    string     // the topic that processes wake each other on
	Statuses string     // the topic that the feed is made known on; "" for none
	Line     int        // where kafka: stands in knutpunkt.yaml; 0 where it does not
}

// writesTo gives the key of a topic of ours that is one of these places, each HOST:PORT/TOPIC; "" for none.
func (k *Kafka) writesTo(places []string) (key string) {
	if k == nil {
		return ""
	}
	for _, broker := range k.Brokers {
		at := strings.ToLower(broker) + "/"
		switch {
		case slices.Contains(places, at+k.Wakes):
			return "wakes"
		case k.Statuses != "" && slices.Contains(places, at+k.Statuses):
			return "statuses"
		}
	}
	return ""
}

type kafkaText struct {
	User     word        `yaml:"user,omitempty" doc:"the hub's account at the brokers (SASL); none is used when left out"`
	Password *hub.Secret `yaml:"password,omitempty" doc:"the password of that account: env:NAME or file:PATH"`
	Login    word        `yaml:"login,omitempty" values:"scram-sha-512 scram-sha-256 plain" doc:"how the password is shown; scram-sha-512 when left out"`
	TLS      *tlsText    `yaml:"tls,omitempty" doc:"PEM files, for kafkas: what we show the brokers, and whom we trust to be them; the machine's own roots when left out"`
	Wakes    word        `yaml:"wakes,omitempty" doc:"the topic that replicas wake each other on; knutpunkt.wakes when left out"`
	Line     int
}

// kafka reads what wakes those who wait, when it is Kafka: nil when it is memory.
func (p *page) kafka(bus word, text *kafkaText, statuses word) *Kafka {
	scheme, addresses, _ := strings.Cut(bus.text, "://")
	if scheme != "kafka" && scheme != "kafkas" {
		p.inMemory(bus, text, statuses)
		return nil
	}
	if text == nil {
		text = &kafkaText{}
	}
	k := &Kafka{
		Brokers: p.brokers(bus, addresses), User: text.User.text, Login: p.loginOf(text), Line: text.Line,
		Wakes: p.topic(text.Wakes, "knutpunkt.wakes"), Statuses: p.topic(statuses, ""),
	}
	if text.Password != nil {
		k.Password = *text.Password
	}
	if keep := p.tls(text.TLS); scheme == "kafkas" {
		k.TLS = &keep
	}
	switch {
	case text.TLS != nil && k.TLS == nil && bus.from == "":
		p.add(text.TLS.Line, "tls is for brokers that speak TLS, and bus says that these do not: write kafkas:// in it")
	case (k.User == "") != (text.Password == nil):
		p.add(text.Line, "user and password belong together: one of them is missing")
	case k.Login == "plain" && k.TLS == nil && !onThisMachine(strings.Join(k.Brokers, ","), ""):
		p.said(text.Login, "plain sends the password itself: have the brokers speak TLS, and write kafkas:// in bus")
	case k.Statuses == k.Wakes:
		p.wrong(statuses, "statuses and wakes are the same topic: what one reads the other cannot")
	}
	return k
}

// inMemory notes what is written of brokers where there are none. A flag or a variable that
// says memory is for a while, and leaves what the file says of them unused.
func (p *page) inMemory(bus word, text *kafkaText, statuses word) {
	if bus.text != "" && bus.text != "memory" {
		p.wrong(bus, "bus is written memory, or kafkas://HOST:PORT,HOST:PORT, or kafka:// where they speak no TLS")
		return
	}
	if bus.from != "" {
		return
	}
	if text != nil {
		p.add(text.Line, "kafka tells how brokers are reached, and bus names none: write bus: kafkas://HOST:PORT")
	}
	if statuses.text != "" {
		p.wrong(statuses, "statuses is a topic of Kafka, and bus names no brokers: write bus: kafkas://HOST:PORT")
	}
}

// brokers reads HOST:PORT,HOST:PORT.
func (p *page) brokers(bus word, addresses string) []string {
	all := strings.Split(addresses, ",")
	if slices.ContainsFunc(all, func(address string) bool { return !isBroker(address) }) {
		p.wrong(bus, "brokers are written kafkas://HOST:PORT,HOST:PORT, with nothing else in it: how they are reached stands under kafka")
	}
	return all
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)

func isBroker(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	_, ipErr := netip.ParseAddr(host)
	return err == nil && number > 0 && (ipErr == nil || hostName.MatchString(host))
}

func (p *page) loginOf(text *kafkaText) string {
	logins := []string{"scram-sha-512", "scram-sha-256", "plain"}
	if text.Login.text == "" {
		return logins[0]
	}
	if !slices.Contains(logins, text.Login.text) {
		p.said(text.Login, "login is %s", strings.Join(logins, ", "))
	}
	return text.Login.text
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

func (p *page) topic(w word, usual string) string {
	if w.text == "" {
		return usual
	}
	if !topicName.MatchString(w.text) || w.text == "." || w.text == ".." {
		p.wrong(w, "a topic's name is 1 to 249 letters a–z, A–Z, digits, . _ and -")
	}
	return w.text
}

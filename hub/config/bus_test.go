package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTheBusIsKafka reads all that may be written of brokers.
func TestTheBusIsKafka(t *testing.T) {
	t.Setenv("OEP", "s3cret")
	t.Setenv("KAFKA", "hemligt")
	fsys := small()
	fsys["knutpunkt.yaml"].Data = append([]byte(`bus: "kafkas://kafka-1:9093,[2001:db8::1]:9093"
kafka: { user: knutpunkt, password: env:KAFKA, login: scram-sha-256, tls: { ca: file:ca.pem }, wakes: county.wakes }
statuses: county.statuses
`), fsys["knutpunkt.yaml"].Data...)
	dir := write(t, fsys)
	s, err := ReadSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	k := s.Kafka
	if !slices.Equal(k.Brokers, []string{"kafka-1:9093", "[2001:db8::1]:9093"}) || k.User != "knutpunkt" || k.Password.Reveal() != "hemligt" ||
		k.Login != "scram-sha-256" || k.TLS.CA != filepath.Join(dir, "ca.pem") || k.Wakes != "county.wakes" || k.Statuses != "county.statuses" {
		t.Errorf("the brokers are %+v", k)
	}
	if text := fmt.Sprintf("%+v %#v", *k, *k); strings.Contains(text, "hemligt") {
		t.Errorf("the password is seen in %s", text)
	}

	s, err = ReadSettings(dir, Override{"bus", "memory", "--bus"})
	if err != nil || s.Kafka != nil {
		t.Errorf("with another bus for a while the brokers are %+v, %v", s.Kafka, err)
	}
	s, err = ReadSettings(dir, Environment([]string{"KNUTPUNKT_BUS=kafka://127.0.0.1:9092", "KNUTPUNKT_STATUSES=others"})...)
	if err != nil || s.Kafka.Brokers[0] != "127.0.0.1:9092" || s.Kafka.Statuses != "others" {
		t.Errorf("with other brokers they are %+v, %v", s.Kafka, err)
	}
}

// TestTheUsualBroker: with an address alone the rest is as it mostly is, and nothing is public.
func TestTheUsualBroker(t *testing.T) {
	t.Setenv("OEP", "s3cret")
	s, err := ReadSettings(write(t, small()), Override{"bus", "kafka://127.0.0.1:9092", "--bus"})
	if err != nil || s.Kafka.Wakes != "knutpunkt.wakes" || s.Kafka.Statuses != "" || s.Kafka.TLS != nil || s.Kafka.Login != "scram-sha-512" {
		t.Errorf("the brokers are %+v, %v", s.Kafka, err)
	}
}

func TestTheMachinesOwnRootsWillDo(t *testing.T) {
	t.Setenv("OEP", "s3cret")
	fsys := small()
	fsys["knutpunkt.yaml"].Data = append([]byte("bus: kafkas://kafka.example:9093\n"), fsys["knutpunkt.yaml"].Data...)
	s, err := ReadSettings(write(t, fsys))
	if err != nil || s.Kafka.TLS == nil || *s.Kafka.TLS != (TLS{}) {
		t.Errorf("the brokers are %+v, %v", s.Kafka, err)
	}
}

func TestWhatIsWrongWithABus(t *testing.T) {
	for _, c := range []struct{ name, text, problem string }{
		{"another bus", "bus: rabbit://mq:5672", "1: bus is written memory, or kafkas://HOST:PORT,HOST:PORT, or kafka:// where they speak no TLS (column 6)"},
		{"no port", "bus: kafka://kafka-1", "1: brokers are written kafkas://HOST:PORT,HOST:PORT, with nothing else in it: how they are reached stands under kafka (column 6)"},
		{"a password in the address", `bus: "kafka://knut:hemligt@kafka-1:9092"`, "1: brokers are written kafkas://HOST:PORT,HOST:PORT, with nothing else in it"},
		{"a port of another kind", "bus: kafka://kafka-1:http", "1: brokers are written"},
		{"an empty broker", `bus: "kafka://kafka-1:9092,"`, "1: brokers are written"},
		{"brokers that nobody calls", "kafka: { user: knut, password: env:OEP }", "1: kafka tells how brokers are reached, and bus names none: write bus: kafkas://HOST:PORT"},
		{"a topic without brokers", "bus: memory\nstatuses: county.statuses", "2: statuses is a topic of Kafka, and bus names no brokers: write bus: kafkas://HOST:PORT (column 11)"},
		{"a user alone", "bus: kafkas://k:1\nkafka: { user: knut }", "2: user and password belong together: one of them is missing"},
		{"a password alone", "bus: kafkas://k:1\nkafka: { password: env:OEP }", "2: user and password belong together: one of them is missing"},
		{"the password itself", "bus: kafkas://k:1\nkafka: { user: knut, password: hemligt }", "2: password must be written env:NAME or file:PATH, never as the secret itself (column 32)"},
		{"another login", "bus: kafkas://k:1\nkafka: { user: knut, password: env:OEP, login: gssapi }", "2: login is scram-sha-512, scram-sha-256, plain (column 48)"},
		{"a password in the clear", "bus: kafka://k:1\nkafka: { user: knut, password: env:OEP, login: plain }", "2: plain sends the password itself: have the brokers speak TLS, and write kafkas:// in bus (column 48)"},
		{"certificates for nobody", "bus: kafka://k:1\nkafka: { tls: { ca: \"file:ca.pem\" } }", "2: tls is for brokers that speak TLS, and bus says that these do not: write kafkas:// in it"},
		{"half a certificate", "bus: kafkas://k:1\nkafka: { tls: { certificate: \"file:c.pem\" } }", "2: certificate and key belong together: one of them is missing"},
		{"no topic's name", "bus: kafka://k:1\nstatuses: ärenden", "2: a topic's name is 1 to 249 letters a–z, A–Z, digits, . _ and - (column 11)"},
		{"one topic for both", "bus: kafka://k:1\nstatuses: knutpunkt.wakes", "2: statuses and wakes are the same topic: what one reads the other cannot (column 11)"},
		{"a misspelt key", "bus: kafka://k:1\nkafka: { usr: knut }", "2: there is no key called usr in kafka; did you mean user? (column 10)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := small()
			fsys["knutpunkt.yaml"].Data = append([]byte(c.text+"\n"), fsys["knutpunkt.yaml"].Data...)
			var all []string
			for _, p := range Check(fsys, connectors) {
				all = append(all, p.String())
			}
			if len(all) != 1 || !strings.HasPrefix(all[0], "knutpunkt.yaml:"+c.problem) {
				t.Errorf("told %q", all)
			}
			if strings.Contains(fmt.Sprint(all), "hemligt") {
				t.Error("it quotes the password")
			}
		})
	}
}

// TestFormsWhereWeWriteOurselves: what we write would become forms, and those what we write.
func TestFormsWhereWeWriteOurselves(t *testing.T) {
	const lies = "routes/shared/systems.yaml:1: the forms of shared.oep lie on the topic that knutpunkt.yaml calls "
	for _, c := range []struct{ at, text, problem string }{
		{"kafka-2:9092/county.forms", "bus: kafka://kafka-1:9092,kafka-2:9092\nstatuses: county.statuses", ""},
		{"kafka-2:9092/county.statuses", "bus: kafka://kafka-1:9092,Kafka-2:9092\nstatuses: county.statuses", lies + "statuses: all that we write there would be taken for forms"},
		{"kafka-2:9092/knutpunkt.wakes", "bus: kafka://kafka-2:9092", lies + "wakes: all that we write there would be taken for forms"},
		{"kafka-3:9092/county.statuses", "bus: kafka://kafka-1:9092\nstatuses: county.statuses", ""},
		{"kafka-1:9092/county.statuses", "bus: memory", ""},
	} {
		fsys := small()
		fsys["knutpunkt.yaml"].Data = append([]byte(c.text+"\n"), fsys["knutpunkt.yaml"].Data...)
		fsys["routes/shared/systems.yaml"].Data = []byte("oep: { connector: platform, url: https://" + c.at + " }\n")
		told := ""
		for _, p := range Check(fsys, connectors) {
			told += p.String()
		}
		if told != c.problem {
			t.Errorf("with forms at %s and %q it tells %q", c.at, c.text, told)
		}
	}
}

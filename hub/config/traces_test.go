package config

import (
	"strings"
	"testing"
)

func TestTraces(t *testing.T) {
	t.Setenv("INSAMLARE", "s3cret-insamlare")
	s, err := settingsWith(t, "traces:\n  to: https://insamlare.example:4318/v1/traces\n  ratio: 10%\n  token: env:INSAMLARE\n  tls:\n    ca: file:ca.pem\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Traces; got.To != "https://insamlare.example:4318/v1/traces" || got.Ratio != .1 || got.Token.Reveal() != "s3cret-insamlare" ||
		!strings.HasSuffix(got.TLS.CA, "ca.pem") || got.Line != 4 {
		t.Errorf("the traces are %+v", got)
	}
	if s, err := settingsWith(t, "traces: { to: http://127.0.0.1:4318/v1/traces }\n", nil); err != nil || s.Traces.Ratio != 1 {
		t.Errorf("all are traced when nothing is said: %+v, %v", s.Traces, err)
	}
	if s, err := settingsWith(t, "", nil); err != nil || s.Traces != nil {
		t.Errorf("traces that nobody asked for: %+v, %v", s.Traces, err)
	}
}

func TestWrongTraces(t *testing.T) {
	const good = "https://insamlare.example/v1/traces"
	for _, test := range []struct{ name, text, want, why string }{
		{"no address", "ratio: 10%", "to is missing", "they would go nowhere"},
		{"by gRPC", "to: grpc://insamlare.example:4317", "an address begins with https://", "it is spoken over HTTP"},
		{"to a mail server", "to: smtps://insamlare.example/v1/traces", "OTLP over HTTP", "it is spoken over HTTP"},
		{"in the clear", "to: http://insamlare.example:4318/v1/traces", "https://", "ids of cases would be read on the way"},
		{"no path", "to: https://insamlare.example:4318", "/v1/traces", "the collector would answer 404 to all"},
		{"a key in the address", "to: " + good + "?api-key=hemlig", "ends before its ?", "it would be seen"},
		{"a share", "to: " + good + "\n  ratio: \"0.1\"", "10% traces one of ten", "a number without a unit is read in two ways"},
		{"nothing of all", "to: " + good + "\n  ratio: 0%", "above 0%", "then it is left out"},
		{"more than all", "to: " + good + "\n  ratio: 101%", "at most 100%", "there are no more"},
		{"no number", "to: " + good + "\n  ratio: NaN%", "above 0%", "nobody could tell how many"},
		{"the secret itself", "to: " + good + "\n  token: hemlig", "never as the secret itself", "everybody who reads the file would have it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := settingsWith(t, "traces:\n  "+test.text+"\n", nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q: %s", err, test.want, test.why)
			}
			if err != nil && (strings.Contains(err.Error(), "hemlig") || strings.Contains(err.Error(), "NaN")) {
				t.Errorf("what was written is repeated: %v", err)
			}
		})
	}
}

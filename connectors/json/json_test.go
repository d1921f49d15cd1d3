package json_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/json"
	"github.com/knutpunkt/knutpunkt/hub"
)

func TestPlaysNoRole(t *testing.T) {
	system, err := json.New.Open(t.Context(), hub.Env{}, func(any) error { return nil })
	if err != nil || !reflect.ValueOf(system).IsZero() {
		t.Errorf("%+v, %v; want a system without roles", system, err)
	}
	if len(json.New.Fields) != 0 {
		t.Errorf("fields %v, want none", json.New.Fields)
	}
}

func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil || !strings.Contains(string(text), "```yaml\nhemsidan:\n  connector: json\n```") {
		t.Errorf("the sample is not there, or has fields: %v", err)
	}
}

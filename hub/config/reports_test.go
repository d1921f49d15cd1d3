package config

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReportsAreSigned with secrets that can sign, and that are one system's own.
func TestReportsAreSigned(t *testing.T) {
	usable := func(fill string) string {
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fill, 32)))
	}
	t.Setenv("NAVET", "s3cret")
	for _, row := range []struct {
		name, reports, shared string
		old, present          string
		want                  string // "" when nothing is wrong
	}{
		{"two that overlap", "[file:old, file:new]", "", usable("a"), usable("b"), ""},
		{"one", "[file:new]", "", usable("a"), usable("b"), ""},
		{"none", "[]", "", usable("a"), usable("b"), ""},
		{"a password", "[file:new]", "", usable("a"), "hemligt-lösenord", "reports: a secret for webhooks begins with whsec_"},
		{"too short", "[file:old, file:new]", "", usable("a"), "whsec_aGVtbGln", "reports: a secret for webhooks is 24–64 bytes"},
		{"no base64", "[file:new]", "", usable("a"), "whsec_hemligt!", "reports: after whsec_ a secret for webhooks is base64"},
		{"not there", "[file:nowhere]", "", usable("a"), usable("b"), "names a file that cannot be read"},
		{"written out", "[" + usable("b") + "]", "", usable("a"), usable("b"), "never as the secret itself"},
		{"another system's", "[file:new]", "[file:old]", usable("a"), usable("a"), "vasby.diarium has the same secret as shared.oep: each could speak for the other"},
	} {
		t.Run(row.name, func(t *testing.T) {
			fsys := with(t, systemsFile, "folder: /srv/in", "folder: /srv/in\n  reports: "+row.reports)
			if row.shared != "" {
				fsys["routes/shared/systems.yaml"].Data = append(fsys["routes/shared/systems.yaml"].Data, "  reports: "+row.shared+"\n"...)
			}
			dir := write(t, fsys)
			for name, text := range map[string]string{"old": row.old, "new": row.present} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			systems, err := Systems(dir, connectors)
			switch {
			case row.want == "" && err != nil:
				t.Fatal(err)
			case row.want == "":
				for _, s := range systems {
					if n := len(s.Reports); s.ID == "vasby.diarium" && n != strings.Count(row.reports, "file:") || s.ID != "vasby.diarium" && n != 0 {
						t.Errorf("%s has %d", s.ID, n)
					}
				}
			case err == nil || !strings.Contains(err.Error(), row.want):
				t.Errorf("told %v, want %s", err, row.want)
			case strings.Contains(err.Error(), row.present) || strings.Contains(err.Error(), "hemligt"):
				t.Errorf("the secret is told: %v", err)
			}
			if problems := Check(fsys, connectors); row.reports == "[file:new]" && row.shared == "" && len(problems) > 0 {
				t.Errorf("where its secrets are not: %v", problems)
			}
		})
	}
}

// TestAClientThatAsksNationally is one that says so.
func TestAClientThatAsksNationally(t *testing.T) {
	dir := write(t, with(t, settingsFile, "secrets: [env:OEP]", "secrets: [env:OEP], kundhandelser: yes"))
	t.Setenv("OEP", "s3cret")
	s, err := ReadSettings(dir)
	if err != nil || !s.Clients[0].Kundhandelser {
		t.Errorf("%+v: %v", s.Clients, err)
	}
}

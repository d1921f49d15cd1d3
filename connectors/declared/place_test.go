package declared_test

import (
	"encoding/xml"
	"net/url"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/declared"
	"github.com/knutpunkt/knutpunkt/hub"
)

// FuzzPlaces: whatever a value is, it ends neither the part of an address nor the element that it stands in.
func FuzzPlaces(f *testing.F) {
	for _, seed := range []string{"01JH", "..", "a/../b?c#d", "<&>\"'", "{key}", "å ä ö", "]]>", "\x00", "%2F"} {
		f.Add("/cases/{key}/files?ref={ref}", seed, seed)
		f.Add(seed, "{"+seed+"}", seed)
	}
	f.Fuzz(func(t *testing.T, text, key, ref string) {
		v := declared.ValuesOf(hub.Delivery{Key: hub.Key(key)}).With("ref", ref)
		var r declared.Reader
		address := r.Address("path", text, "key", "ref")
		if r.Err() == nil {
			end, err := address.Address(v)
			whole, wrong := url.Parse("https://x" + end)
			if err == nil && (wrong != nil || whole.Host != "x" || whole.Fragment != "" || strings.Contains(whole.EscapedPath()+"/", "/../")) {
				t.Errorf("%q with %q and %q leads to %q", text, key, ref, end)
			}
		}
		filled, err := new(declared.Reader).Text("text", "<a b=\"{key}\">{ref}</a>", "key", "ref").Text(v, func(text string) string {
			var out strings.Builder
			xml.EscapeText(&out, []byte(text))
			return out.String()
		})
		var read struct {
			B    string `xml:"b,attr"`
			Text string `xml:",chardata"`
		}
		if err == nil && (xml.Unmarshal([]byte(filled), &read) != nil || strings.Count(filled, "<") != 2) {
			t.Errorf("%q and %q make %q", key, ref, filled)
		}
	})
}

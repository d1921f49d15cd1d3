package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/knutpunkt/knutpunkt/hub"
)

// CertificateFile is where the certificate of one system lies in a configuration's folder.
// `knutpunkt connectors certify --system` writes it.
func CertificateFile(id hub.SystemID) string { return "certificates/" + string(id) + ".json" }

// certificateOf gives what has been proved of a system as its entry stands, or why nothing is.
func (c *configuration) certificateOf(id hub.SystemID, kind, entry string) (given []hub.Certificate, why string) {
	text, err := fs.ReadFile(c.fsys, CertificateFile(id))
	if err != nil {
		return nil, "no certificate proves it"
	}
	read, err := hub.ReadCertificate(text)
	switch {
	case err != nil || read.System != id || read.Connector != kind:
		return nil, CertificateFile(id) + " proves nothing of it"
	case read.Entry != entry:
		return nil, "its certificate was given before the entry was changed"
	}
	return []hub.Certificate{read}, "its certificate does not prove it"
}

// checkLevels finds levels that somebody has written of a system and that nothing proves.
func (p *page) checkLevels(s System, can hub.Capabilities) {
	for _, operation := range sortedKeys(can) {
		if k := can[operation]; k.Claimed && k.Unproved != "" {
			p.add(s.Line, "%s is said to be %s, and %s: try it against the vendor's test system with "+
				"`knutpunkt connectors certify --system %s`, or leave out level", operation, k.Unproved, s.unproved, s.ID)
		}
	}
}

// checkCertificates finds certificates of systems that are not there: one that is misspelt
// proves nothing.
func (c *configuration) checkCertificates(systems []System) {
	for _, file := range c.files("certificates/*") {
		if !slices.ContainsFunc(systems, func(s System) bool { return CertificateFile(s.ID) == file }) {
			c.add(file, 1, "no systems.yaml has the system that this would be the certificate of")
		}
	}
}

// whereAndWho are the keys of an entry that say where the system is and who calls it: other
// at a vendor's test system, and apt to change.
var whereAndWho = []string{"url", "user", "oauth2", "username-token"}

// entryOf gives a fingerprint of what an entry tells its connector to do: without addresses,
// accounts and secrets, and however it is laid out.
func entryOf(theirs *yaml.Node) string {
	does, _ := said(theirs).(map[string]any)
	for _, key := range whereAndWho {
		delete(does, key)
	}
	text, err := json.Marshal(does)
	if err != nil {
		panic("config: an entry that was read cannot be written")
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// said gives what a node says, without references to secrets.
func said(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		table := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			table[n.Content[i].Value] = said(n.Content[i+1])
		}
		return table
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, said(item))
		}
		return list
	}
	if strings.HasPrefix(n.Value, "env:") || strings.HasPrefix(n.Value, "file:") {
		return nil
	}
	return n.Value
}

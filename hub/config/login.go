package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"os"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Login is how citizens show who they are on the public pages: by a provider of e-IDs
// that speaks OpenID Connect. Without it there are no pages for citizens.
type Login struct {
	Issuer    string        // the provider, exactly as it names itself
	Client    string        // what we are called there
	Secret    hub.Secret    // by which it knows us; none where Key is
	Key       crypto.Signer // or what we sign with that we are we; nil where the secrets are not read
	KeyID     string        // what the provider calls Key; "" where it need not be told
	Levels    []string      // of assurance (acr) that will do
	Address   string        // of our pages, as citizens' browsers know it, without a path
	Addresses []string      // of the provider's, that may be called: the issuer's host and also:
	Logout    bool          // who logs out here is led to log out there too
	Line      int           // where it stands in knutpunkt.yaml
}

type loginText struct {
	Issuer  word        `yaml:"issuer" doc:"the provider of e-IDs (OpenID Connect), exactly as it names itself"`
	Client  word        `yaml:"client" doc:"what we are called there"`
	Secret  *hub.Secret `yaml:"secret,omitempty" doc:"by which it knows us: env:NAME or file:PATH; not beside key"`
	Key     word        `yaml:"key,omitempty" doc:"a private key in PEM that we sign with, instead of a secret: file:PATH"`
	KeyID   word        `yaml:"key-id,omitempty" doc:"what the provider calls that key"`
	Levels  []word      `yaml:"acr" doc:"the levels of assurance that will do, by the provider's own names"`
	Address word        `yaml:"address" doc:"of these pages, as citizens' browsers know it: https://HOST"`
	Also    []word      `yaml:"also,omitempty" doc:"more addresses of the provider's that may be called"`
	Logout  bool        `yaml:"logout,omitempty" doc:"yes: who logs out here logs out there too"`
	Line    int
}

// login reads how citizens log in; nil where they do not.
func (p *page) login(text *loginText) *Login {
	if text == nil {
		return nil
	}
	l := &Login{
		Issuer: text.Issuer.text, Client: text.Client.text, Key: p.signer(text.Key), KeyID: text.KeyID.text,
		Levels: p.levels(text), Address: p.origin(text.Address), Logout: text.Logout, Line: text.Line,
	}
	if text.Secret != nil {
		l.Secret = *text.Secret
	}
	for _, address := range append([]word{text.Issuer}, text.Also...) {
		l.Addresses = append(l.Addresses, p.callable(address)...)
	}
	switch {
	case text.Secret != nil && text.Key.line > 0:
		p.add(text.Line, "login has a secret and a key: the provider knows us by one of them, so leave the other out")
	case text.Secret == nil && text.Key.line == 0 && text.Line > 0:
		p.add(text.Line, "login has neither secret nor key: the provider could not know that it is us")
	case text.KeyID.line > 0 && text.Key.line == 0:
		p.said(text.KeyID, "key-id is the provider's name of a key, and there is no key")
	}
	return l
}

// levels reads the levels of assurance that will do.
func (p *page) levels(text *loginText) []string {
	var all []string
	for _, level := range text.Levels {
		if strings.ContainsAny(level.text, " \t") {
			p.said(level, "an acr is one word, the provider's own name of a level of assurance: write several as a list")
		}
		all = append(all, level.text)
	}
	if text.Levels != nil && len(all) == 0 {
		p.add(text.Line, "acr is empty: nobody could log in")
	}
	return all
}

// callable gives an address that the provider may be called at.
func (p *page) callable(address word) []string {
	if address.text == "" {
		return nil
	}
	if problem := wrongAddress(address.text); problem != "" {
		p.said(address, "%s", problem)
		return nil
	}
	return []string{address.text}
}

// origin reads the address of our own pages: browsers are sent back to it, and the
// provider must know it letter by letter.
func (p *page) origin(w word) string {
	if w.text == "" {
		return ""
	}
	if problem := wrongAddress(w.text); problem != "" {
		p.said(w, "%s", problem)
		return ""
	}
	if at, err := url.Parse(w.text); err != nil || at.Path != "" || strings.ToLower(at.Host) != at.Host {
		p.said(w, "the pages' address is written https://HOST in lower case, without a path and without a / at its end")
		return ""
	}
	return w.text
}

// signer reads a private key from the PEM file that it is referred to by.
func (p *page) signer(w word) crypto.Signer {
	path := p.file(w, "key")
	if path == "" || p.secrets.env == nil {
		return nil
	}
	if err := private(path); err != nil {
		p.said(w, "key %s", err)
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		p.said(w, "key %s", errNoFile)
		return nil
	}
	key := parseKey(text)
	if key == nil {
		p.said(w, "key names a file that is no private key in PEM: one of RSA (2048 bits or more), P-256, P-384, P-521 or Ed25519")
	}
	return key
}

// parseKey gives a private key that tokens can be signed with, or nil. The libraries'
// errors are not told: they may quote what they read.
func parseKey(text []byte) crypto.Signer {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	}
	if err != nil {
		return nil
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() >= 2048 {
			return key
		}
	case *ecdsa.PrivateKey:
		if key.Params().BitSize >= 256 {
			return key
		}
	case ed25519.PrivateKey:
		return key
	}
	return nil
}

package config

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const loginPage = `login:
  issuer: https://eid.example/op
  client: knut
  secret: env:EID
  acr: [http://id.elegnamnden.se/loa/1.0/loa3, "http://id.elegnamnden.se/loa/1.0/loa4"]
  address: https://vasby.example
  also: [https://keys.eid.example]
  logout: yes
`

// settingsWith reads settings to which a text has been added.
func settingsWith(t *testing.T, text string, files map[string][]byte) (*Settings, error) {
	t.Helper()
	t.Setenv("OEP", "s3cret")
	fsys := small()
	fsys["knutpunkt.yaml"].Data = append(fsys["knutpunkt.yaml"].Data, text...)
	dir := write(t, fsys)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return ReadSettings(dir)
}

func TestLogin(t *testing.T) {
	t.Setenv("EID", "s3cret-eid")
	s, err := settingsWith(t, loginPage, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := s.Login
	if l.Issuer != "https://eid.example/op" || l.Client != "knut" || l.Secret.Reveal() != "s3cret-eid" || l.Key != nil ||
		len(l.Levels) != 2 || l.Levels[1] != "http://id.elegnamnden.se/loa/1.0/loa4" || l.Address != "https://vasby.example" ||
		!slices.Equal(l.Addresses, []string{"https://eid.example/op", "https://keys.eid.example"}) || !l.Logout || l.Line != 4 {
		t.Errorf("the login is %+v", l)
	}
	if s, err := settingsWith(t, "", nil); err != nil || s.Login != nil {
		t.Errorf("without login: %+v, %v", s.Login, err)
	}
}

// TestLoginKeys: a provider may know us by a key in the place of a secret. What is no key
// is told of by its line, and nothing of it is repeated.
func TestLoginKeys(t *testing.T) {
	small, _ := rsa.GenerateKey(rand.Reader, 1024)
	large, _ := rsa.GenerateKey(rand.Reader, 2048)
	curve, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	short, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	_, edwards, _ := ed25519.GenerateKey(rand.Reader)
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	older, err := x509.MarshalECPrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		file []byte
		good bool
	}{
		{"P-256", pkcs8(curve), true},
		{"P-256 in its own format", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: older}), true},
		{"RSA", pkcs8(large), true},
		{"RSA in its own format", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(large)}), true},
		{"Ed25519", pkcs8(edwards), true},
		{"RSA that is too short", pkcs8(small), false},
		{"P-224", pkcs8(short), false},
		{"damaged", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("hemlig")}), false},
		{"a certificate", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("hemlig")}), false},
		{"no PEM", []byte("hemlig"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(loginPage, "secret: env:EID", "key: file:eid.pem\n  key-id: k1", 1)
			s, err := settingsWith(t, text, map[string][]byte{"eid.pem": test.file})
			if test.good && (err != nil || s.Login.Key == nil || s.Login.KeyID != "k1") {
				t.Errorf("not read: %v", err)
			}
			if !test.good && (err == nil || !strings.Contains(err.Error(), "knutpunkt.yaml:6: key names a file that is no private key") ||
				strings.Contains(err.Error(), "hemlig")) {
				t.Errorf("told %v", err)
			}
		})
	}
	text := strings.Replace(loginPage, "secret: env:EID", "key: file:gone.pem", 1)
	if _, err := settingsWith(t, text, nil); err == nil || !strings.Contains(err.Error(), "knutpunkt.yaml:6: key names a file that cannot be read") {
		t.Errorf("told %v", err)
	}
}

package verbs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/config"
)

// said gives what a doctor has found, a line for each.
func said(d *doctor) string {
	var all []string
	for _, f := range d.findings {
		all = append(all, f.Grade+" "+f.About+": "+f.Found+" / "+f.Means+" / "+f.Do)
	}
	return strings.Join(all, "\n")
}

// An authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	var der []byte
	a.key, der = issue(t, nil, time.Now().AddDate(-1, 0, 0), time.Now().AddDate(10, 0, 0))
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.file, der)
	return a
}

// issue makes a certificate for this machine; without an authority its own one.
func issue(t *testing.T, by *authority, from, until time.Time) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: from, NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: by == nil,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := text, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, text, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

func writePEM(t *testing.T, path string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// secureServer serves with a certificate of some days yet, and a clock of its own.
func secureServer(t *testing.T, by *authority, days float64, off time.Duration) string {
	t.Helper()
	until := time.Now().Add(time.Duration(days * float64(24*time.Hour)))
	key, der := issue(t, by, time.Now().AddDate(0, -3, 0), until)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); len(body) > 0 || r.Header.Get("Authorization") != "" || r.Method != http.MethodHead {
			t.Error("the doctor says something to a system")
		}
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func TestDoctorLooksAtSystems(t *testing.T) {
	trusted, other := newAuthority(t), newAuthority(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, tc := range []struct {
		name    string
		address string
		grade   grade
		want    string
	}{
		{"a good one", secureServer(t, trusted, 90, 0), fine, "its certificate lasts until"},
		{"59 days", secureServer(t, trusted, 59, 0), soon, "ends within 60 days"},
		{"29 days", secureServer(t, trusted, 29, 0), soon, "ends within 30 days"},
		{"6 days", secureServer(t, trusted, 6.5, 0), wrong, "its certificate ends in 6 days"},
		{"1 day", secureServer(t, trusted, 1.5, 0), wrong, "ends in 1 day,"},
		{"ended", secureServer(t, trusted, -1, 0), wrong, "its certificate ended"},
		{"another's authority", secureServer(t, other, 90, 0), wrong, "an authority that is not believed"},
		{"no TLS at all", strings.Replace(plain.URL, "http:", "https:", 1), wrong, "does not speak TLS"},
		{"nobody", closed.URL, wrong, "nobody listens there"},
		{"no such name", "https://finns.invalid/api", wrong, "its name is not known"},
		{"where no system may be", "https://169.254.169.254/", wrong, "where no system may be"},
		{"a clock two minutes off", secureServer(t, trusted, 90, 150*time.Second), soon, "differ by 2m"},
		{"a clock an hour off", secureServer(t, trusted, 90, -time.Hour-30*time.Second), wrong, "differ by 1h"},
		{"plain, on this machine", plain.URL, fine, "answers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &doctor{now: time.Now}
			d.system(t.Context(), config.System{ID: "karlskrona.diarium", Addresses: []string{tc.address, tc.address}, TLS: config.TLS{CA: trusted.file}})
			if said := said(d); d.worst() != tc.grade || strings.Count(said, tc.want) != 1 {
				t.Errorf("it is %s and says\n%s\nwant %s with %q, once", gradeWords[d.worst()], said, gradeWords[tc.grade], tc.want)
			}
			for _, f := range d.findings {
				if f.grade != fine && (f.Means == "" || f.Do == "") {
					t.Errorf("%q does not say what it means and what to do", f.Found)
				}
			}
		})
	}
}

func TestDoctorLooksAtCertificateFiles(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		days  int
		grade grade
	}{{400, fine}, {45, soon}, {3, wrong}, {-3, wrong}} {
		path := filepath.Join(dir, fmt.Sprint(tc.days))
		_, der := issue(t, nil, time.Now().AddDate(-1, 0, 0), time.Now().AddDate(0, 0, tc.days).Add(time.Hour))
		writePEM(t, path, der)
		d := &doctor{now: time.Now}
		d.certificateFile("certificate", path, "ours", "nobody believes us")
		if d.worst() != tc.grade {
			t.Errorf("%d days: %s", tc.days, said(d))
		}
	}
	d := &doctor{now: time.Now}
	d.certificateFile("certificate", filepath.Join(dir, "none"), "ours", "nobody believes us")
	d.certificateFile("certificate", "", "ours", "nobody believes us")
	if len(d.findings) != 1 || d.worst() != wrong {
		t.Errorf("none: %s", said(d))
	}
}

package navetsim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The files that TLS makes in its folder. The first three are the caller's.
const (
	CAFile          = "navet-ca.pem"
	CertificateFile = "navet.pem"
	KeyFile         = "navet-key.pem"

	serverCertificateFile = "navet-server.pem"
	serverKeyFile         = "navet-server-key.pem"
)

// TLS gives what a simulator on this machine listens with: it shows a certificate of a private CA, and
// lets nobody in who has none of the same CA. The certificates are made in dir, unless they are there;
// they never grow old, and the CA's own key is thrown away, so that nobody can make more.
func TLS(dir string) (*tls.Config, error) {
	if _, err := os.Stat(filepath.Join(dir, serverKeyFile)); errors.Is(err, fs.ErrNotExist) {
		if err := issue(dir); err != nil {
			return nil, fmt.Errorf("make certificates: %w", err)
		}
	}
	shown, err := tls.LoadX509KeyPair(filepath.Join(dir, serverCertificateFile), filepath.Join(dir, serverKeyFile))
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, CAFile))
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("read certificates: %s holds none", CAFile)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{shown},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    trusted,
	}, nil
}

// issue makes a CA and the two certificates that it signs. The server's key is written last: where it
// is, everything is.
func issue(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	caKey, err := newPrivateKey()
	if err != nil {
		return err
	}
	ca := certificate(1, "Provsvenska utgivaren")
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, CAFile), "CERTIFICATE", caDER, 0o644); err != nil {
		return err
	}
	client := certificate(2, "Provkommunen")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if err := sign(dir, CertificateFile, KeyFile, client, ca, caKey); err != nil {
		return err
	}
	server := certificate(3, "localhost")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames = []string{"localhost"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	return sign(dir, serverCertificateFile, serverKeyFile, server, ca, caKey)
}

func certificate(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		Subject:               pkix.Name{CommonName: name, Organization: []string{"Knutpunkt: simulator"}},
		NotBefore:             time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
}

func sign(dir, certificateFile, keyFile string, leaf, ca *x509.Certificate, caKey crypto.Signer) error {
	key, err := newPrivateKey()
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, certificateFile), "CERTIFICATE", der, 0o644); err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, keyFile), "PRIVATE KEY", keyDER, 0o600)
}

func newPrivateKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func writePEM(name, kind string, der []byte, mode fs.FileMode) error {
	return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

package enginetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// credentials say to the format of a node's storage who may come by SCRAM.
func (s settings) credentials() []string {
	if s.user == "" {
		return nil
	}
	var words []string
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		words = append(words, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, s.user, s.password))
	}
	return words
}

// secure gives the properties of the listener SECURE, and makes the certificates for it.
func (c *Cluster) secure(user, password string) ([]string, error) {
	authority, chain, key, err := certificates()
	if err != nil {
		return nil, fmt.Errorf("make certificates for Kafka: %w", err)
	}
	c.authority = authority
	const listener, modules = "listener.name.secure.", "org.apache.kafka.common.security."
	return []string{
		listener + "ssl.keystore.type=PEM",
		listener + "ssl.keystore.certificate.chain=" + string(chain),
		listener + "ssl.keystore.key=" + string(key),
		listener + "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		listener + "plain.sasl.jaas.config=" + modules + `plain.PlainLoginModule required user_` + user + `="` + password + `";`,
		listener + "scram-sha-256.sasl.jaas.config=" + modules + "scram.ScramLoginModule required;",
		listener + "scram-sha-512.sasl.jaas.config=" + modules + "scram.ScramLoginModule required;",
	}, nil
}

// certificates makes an authority, and by it a certificate for 127.0.0.1 and its key; all
// of them for a day, in PEM.
func certificates() (authority, chain, key []byte, err error) {
	top := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "enginetest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	topKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	broker := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: top.NotBefore, NotAfter: top.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	brokerKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	topDER, err := x509.CreateCertificate(rand.Reader, top, top, topKey.Public(), topKey)
	if err != nil {
		return nil, nil, nil, err
	}
	brokerDER, err := x509.CreateCertificate(rand.Reader, broker, top, brokerKey.Public(), topKey)
	if err != nil {
		return nil, nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(brokerKey)
	if err != nil {
		return nil, nil, nil, err
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return block("CERTIFICATE", topDER), append(block("CERTIFICATE", brokerDER), block("CERTIFICATE", topDER)...),
		block("PRIVATE KEY", keyDER), nil
}

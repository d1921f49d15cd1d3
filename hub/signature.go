package hub

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Webhooks, those that come and those that go, are signed by Standard Webhooks 1.0 with a
// shared secret: HMAC-SHA256 of ID.TIMESTAMP.BODY, named v1. The signatures of a key pair,
// v1a, are not looked at.

// What is wrong with a webhook. VerifyWebhook gives no other errors.
var (
	ErrWebhookSignature = errors.New("the webhook has no signature of ours")
	ErrWebhookTime      = errors.New("the webhook was not signed now")
	ErrWebhookID        = errors.New("the webhook has no id that can be used")
)

// WebhookWindow is how far from now a webhook may have been signed, before and after.
const WebhookWindow = 5 * time.Minute

// The headers of a webhook.
const (
	WebhookID        = "Webhook-Id"
	WebhookTimestamp = "Webhook-Timestamp"
	WebhookSigned    = "Webhook-Signature"
)

// CheckWebhookSecret says what keeps a secret from signing webhooks, and never shows it. A
// secret that can is whsec_ and 24–64 bytes of base64.
func CheckWebhookSecret(s Secret) error {
	_, err := webhookKey(s)
	return err
}

func webhookKey(s Secret) ([]byte, error) {
	text, found := strings.CutPrefix(s.Reveal(), "whsec_")
	if !found {
		return nil, errors.New("a secret for webhooks begins with whsec_")
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("after whsec_ a secret for webhooks is base64, with + and / and its = signs")
	}
	if len(key) < 24 || len(key) > 64 {
		return nil, errors.New("a secret for webhooks is 24–64 bytes before they are written as base64")
	}
	return key, nil
}

// WebhookSignature gives what a webhook shows for itself, "v1,…"; several are written after
// each other with spaces between. A secret that CheckWebhookSecret refuses gives "".
func WebhookSignature(secret Secret, id string, at time.Time, body []byte) string {
	return webhookSignature(secret, id, strconv.FormatInt(at.Unix(), 10), body)
}

func webhookSignature(secret Secret, id, timestamp string, body []byte) string {
	key, err := webhookKey(secret)
	if err != nil {
		return ""
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// VerifyWebhook reports whether a webhook was signed with one of the secrets, by now. It
// takes the same time whichever secret that was, and when it was none.
func VerifyWebhook(secrets []Secret, header http.Header, body []byte, now time.Time) error {
	var shown []string
	for _, line := range header.Values(WebhookSigned) {
		shown = append(shown, strings.Fields(line)...)
	}
	if len(shown) == 0 {
		return ErrWebhookSignature
	}
	id, ok := only(header, WebhookID)
	if !ok || !isWebhookID(id) {
		return ErrWebhookID
	}
	timestamp, _ := only(header, WebhookTimestamp)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > WebhookWindow {
		return ErrWebhookTime
	}
	same := 0
	for _, secret := range secrets {
		if ours := webhookSignature(secret, id, timestamp, body); ours != "" {
			for _, theirs := range shown {
				same |= subtle.ConstantTimeCompare([]byte(ours), []byte(theirs))
			}
		}
	}
	if same == 0 {
		return ErrWebhookSignature
	}
	return nil
}

// only gives a header that is there once.
func only(header http.Header, name string) (string, bool) {
	values := header.Values(name)
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

// isWebhookID reports whether an id can be signed without being mistaken for more: it is
// what stands before the first full stop.
func isWebhookID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' || id[i] == '.' {
			return false
		}
	}
	return id != "" && len(id) <= 200
}

package seal

import (
	"errors"
	"fmt"
	"io"

	streaming "github.com/tink-crypto/tink-go/v2/streamingaead/subtle"
)

// segmentSize is how much of a stream is sealed and opened at a time, and so what a stream costs in
// memory, twice. Most attachments are small, so larger segments were not tried.
const segmentSize = 64 << 10 // bytes

// SealWriter returns a writer that seals into w what is written to it, for a place whose
// Municipality and Column may be empty: a stream comes before its municipality is known. Such a
// stream is bound to its table and row directly, and to the municipality through its data key,
// which only that municipality's wrap gives back.
//
// Close writes the end of the stream and says thereby that it is whole; it does not close w. Whoever
// could not read all of the plaintext must leave the writer without closing it: what is in w then
// never opens to the end. For what is in memory anyway Seal is cheaper.
func (d DataKey) SealWriter(place Place, w io.Writer) (io.WriteCloser, error) {
	cipher, err := d.stream(place)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write([]byte{format}); err != nil {
		return nil, fmt.Errorf("seal %s: %w", place, err)
	}
	sealing, err := cipher.NewEncryptingWriter(w, place.bind("stream"))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", place, err)
	}
	return &sealWriter{sealing: sealing, place: place}, nil
}

// OpenReader returns a reader of what SealWriter sealed for the same place under the same data key.
// Every byte it gives has been verified, but the stream is known to be whole only when Read returns
// io.EOF: a stream that was altered or cut gives an *OpenError, at the latest in place of the EOF. An
// error of r itself is passed on as it is, so that a failing disk is not taken for a forged file.
func (d DataKey) OpenReader(place Place, r io.Reader) (io.Reader, error) {
	cipher, err := d.stream(place)
	if err != nil {
		return nil, err
	}
	opening := &openReader{source: source{r: r}, place: place}
	var version [1]byte
	if _, err := io.ReadFull(&opening.source, version[:]); err != nil {
		return nil, opening.failed(cutShort)
	}
	if reason := wrongFormat(version[:]); reason != "" {
		return nil, opening.failed(reason)
	}
	opening.plain, err = cipher.NewDecryptingReader(&opening.source, place.bind("stream"))
	if err != nil {
		return nil, opening.failed(decryptionFailed)
	}
	return opening, nil
}

func (d DataKey) stream(p Place) (*streaming.AESGCMHKDF, error) {
	switch {
	case d.material == nil:
		return nil, errNoDataKey
	case p.Municipality != "" && !isMunicipality(p.Municipality) || p.Table == "" || p.Row == "":
		return nil, fmt.Errorf("%w: a stream's has table and row: %s", ErrPlace, p)
	}
	key := derive(d.material().secret, "stream")
	return must(streaming.NewAESGCMHKDF(key, "SHA256", dataKeySize, segmentSize, 0)), nil
}

// sealWriter remembers the first failure, so that Close cannot complete a stream that has a hole.
type sealWriter struct {
	sealing io.WriteCloser
	place   Place
	err     error
}

func (s *sealWriter) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.sealing.Write(p)
	return n, s.remember(err)
}

func (s *sealWriter) Close() error {
	if s.err != nil {
		return s.err
	}
	return s.remember(s.sealing.Close())
}

func (s *sealWriter) remember(err error) error {
	if err != nil {
		s.err = fmt.Errorf("seal %s: %w", s.place, err)
	}
	return s.err
}

// openReader remembers the first failure, since Tink's reader returns io.EOF to whoever reads on
// after a segment that was refused.
type openReader struct {
	plain  io.Reader
	source source
	place  Place
	err    error
}

func (o *openReader) Read(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.plain.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = o.failed(decryptionFailed)
	}
	o.err = err
	return n, err
}

// failed tells whose failure it is: the source's, or that of the bytes that it gave.
func (o *openReader) failed(reason string) error {
	if o.source.err != nil {
		return fmt.Errorf("open %s: %w", o.place, o.source.err)
	}
	return &OpenError{o.place, reason}
}

// source keeps the error that its reader had, which Tink may take for the end of the stream.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

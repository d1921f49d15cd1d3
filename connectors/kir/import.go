package kir

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/knutpunkt/knutpunkt/connectors/folkbokforing"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// part is how many posts are kept at a time: as many as a death may cost.
const part = 500

// perPost bounds what one post may be. One with history is some twenty kilobytes.
const perPost = 1 << 20

// Import reads the next file. A file whose reading was broken off is begun again from its first post,
// and those that are kept are passed over.
//
// It gives a *hub.Malformed for a file that is none, is cut short or does not fit its own numbers, and
// a *hub.Misplaced for one whose turn it is not; both in Swedish, for whoever feeds the register.
func (r *register) Import(ctx context.Context, in io.Reader, kept func(hub.Imported)) (hub.Imported, error) {
	at, err := r.env.Residents.Bookmark(ctx)
	if err != nil {
		return hub.Imported{}, err
	}
	i := &importing{register: r, ctx: ctx, at: at, kept: kept, sum: sha256.New()}
	if i.place, err = placeOf(at); err != nil {
		return hub.Imported{}, err
	}
	text, err := looksLikeXML(in)
	if err == nil {
		err = document.ReadXMLRecords(text, document.Limits{Bytes: perPost}, document.Records{
			List: []string{"Navetavisering", "Folkbokforingsposter"}, Head: i.begin, Each: i.post,
		})
	}
	var broken *document.SyntaxError
	switch {
	case errors.Is(err, errRepeated):
		return i.told(true), nil
	case errors.As(err, &broken):
		err = malformed(string(broken.Kind), fmt.Sprintf("filen är ingen hel XML-fil (%s, rad %d)", broken.Kind, broken.Line))
	case err == nil && !i.begun:
		err = malformed("not-avisering", "filen är ingen avisering: den har inget Navetavisering med Folkbokforingsposter")
	case err == nil:
		err = i.finish()
	}
	return i.told(false), err
}

// looksLikeXML tells the other form of the same files apart, whose codes are not public.
func looksLikeXML(in io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(in)
	start, err := buffered.Peek(64)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	start = bytes.TrimLeft(start, "\xEF\xBB\xBF \t\r\n")
	if bytes.HasPrefix(start, []byte("#")) {
		return nil, malformed("termkod", "filen är en termkodsfil (#POST_START, #UP …), som inte kan läsas här; beställ aviseringen som XML av Skatteverket")
	}
	return buffered, nil
}

// importing is one file under way.
type importing struct {
	*register
	ctx   context.Context
	at    hub.Bookmark // what has been kept
	place place
	file  file
	begun bool
	kept  func(hub.Imported)

	posts []folkbokforing.Post // read, and not kept yet
	read  int                  // posts of the file
	known int                  // so many of them are kept since an earlier time
	sum   hash.Hash            // of the posts that were read
}

var errRepeated = errors.New("the file has been read before")

// begin judges by what the file says of itself whether it is its turn.
func (i *importing) begin(root *document.Element) (err error) {
	i.begun = true
	f, err := i.readFile(root)
	if err != nil {
		return err
	}
	turn, err := i.turnOf(i.place, f)
	if err != nil {
		return err
	}
	i.file = f
	switch {
	case turn == repeated:
		return errRepeated
	case turn == anew && (i.at.Files > i.at.Shown || i.at.Posts > 0) && !i.isBegun():
		return i.forget(i.place.back(), i.at.Shown)
	case i.isBegun():
		i.known = i.at.Posts
	case i.at.Posts > 0:
		return i.restart()
	}
	return nil
}

// isBegun reports whether posts of this file are kept.
func (i *importing) isBegun() bool {
	return i.at.Posts > 0 && i.place.Begun != nil && i.place.Begun.File == i.file
}

// restart goes back to the beginning of a file.
func (i *importing) restart() error {
	i.place.Begun = nil
	return i.forget(i.place, i.at.Files)
}

// forget goes back to where so many files had been read.
func (i *importing) forget(p place, files int) error {
	at := i.at
	at.Files, at.Posts, at.Note = files, 0, p.note()
	if err := i.env.Residents.Keep(i.ctx, at, nil, nil); err != nil {
		return err
	}
	i.at, i.place, i.known = at, p, 0
	return nil
}

// post takes one post in.
func (i *importing) post(record *document.Element) error {
	if err := i.ctx.Err(); err != nil {
		return err
	}
	i.read++
	if i.read > i.file.Posts {
		return malformed("count", fmt.Sprintf("filen har fler poster än de %d som den säger", i.file.Posts))
	}
	digest(i.sum, record)
	if i.read <= i.known {
		return i.recognise()
	}
	p, err := folkbokforing.Read(record)
	if err != nil {
		return malformed("post", fmt.Sprintf("post %d, på rad %d, går inte att läsa: %s", i.read, record.Line(), inSwedish(err)))
	}
	if i.posts = append(i.posts, p); len(i.posts) < part || i.read == i.file.Posts {
		return nil
	}
	at, here := i.at, i.place
	here.Begun = &begun{i.file, hex.EncodeToString(i.sum.Sum(nil))}
	at.Posts, at.Note = i.read, here.note()
	return i.keep(at, here)
}

// recognise holds that the posts which are passed over are those that are kept.
func (i *importing) recognise() error {
	if i.read < i.known || hex.EncodeToString(i.sum.Sum(nil)) == i.place.Begun.Digest {
		return nil
	}
	if err := i.restart(); err != nil {
		return err
	}
	return misplaced("%s har börjat läsas en gång, men med andra poster; det som lästes då är borttaget, så skicka filen igen", i.file.named())
}

// finish holds the file against its own numbers, and has it count.
func (i *importing) finish() error {
	sum := i.place.Sum + i.file.Posts
	switch {
	case i.read != i.file.Posts:
		return malformed("count", fmt.Sprintf("filen har %d poster, men säger sig ha %d; den är avkortad eller ändrad", i.read, i.file.Posts))
	case i.file.last() && sum != i.file.Total:
		return malformed("count", fmt.Sprintf("filerna har tillsammans %d poster, men säger sig ha %d", sum, i.file.Total))
	}
	at, p := i.at, i.place.after(i.file)
	at.Files, at.Posts, at.Note = at.Files+1, 0, p.note()
	if i.file.last() {
		at.Shown, at.AsOf = at.Files, i.file.asOf(i.env.Clock())
		if i.file.Extract {
			at.From = i.at.Shown + 1
		}
	}
	return i.keep(at, p)
}

// keep stores what the posts say, together with how far that is.
func (i *importing) keep(at hub.Bookmark, p place) error {
	s, err := i.slate()
	if err != nil {
		return err
	}
	for _, post := range i.posts {
		s.write(post)
	}
	told, gone := s.outcome()
	if err := i.env.Residents.Keep(i.ctx, at, told, gone); err != nil {
		return err
	}
	i.at, i.place, i.posts = at, p, i.posts[:0]
	if i.kept != nil {
		i.kept(i.told(false))
	}
	return nil
}

// told is how far the reading has come.
func (i *importing) told(again bool) hub.Imported {
	done := hub.Imported{Posts: i.at.Posts, Of: i.file.Posts, Again: again, AsOf: i.at.AsOf}
	if again || i.place.Read.Last == i.file {
		done.Posts = i.file.Posts
	}
	if last := i.place.Read.Last; !last.last() || last == (file{}) {
		done.More = i.wanted(i.place)
	}
	return done
}

// digest adds all that a record says.
func digest(sum hash.Hash, e *document.Element) {
	io.WriteString(sum, e.Name+"\x00")
	for _, a := range e.Attrs {
		io.WriteString(sum, a.Name+"\x01"+a.Value+"\x00")
	}
	io.WriteString(sum, e.Text+"\x00")
	for _, c := range e.Children {
		digest(sum, c)
	}
	io.WriteString(sum, "\x02")
}

func inSwedish(err error) string {
	switch {
	case errors.Is(err, folkbokforing.ErrNoNumber):
		return "den har inget personnummer eller samordningsnummer som stämmer"
	case errors.Is(err, folkbokforing.ErrNoRelative):
		return "en vårdnadshavare eller ett barn i den saknar nummer"
	}
	return "den har ingen person"
}

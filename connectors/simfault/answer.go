package simfault

import (
	"io"
	"net/http"
)

// Busy answers 503 and asks the caller to come back in 7 seconds.
func Busy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "7")
	http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
}

// LoginPage answers 200 and a page for people, as what stands before a system does for who is not logged in.
func LoginPage(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, "<!DOCTYPE html><title>Logga in</title>")
}

// Redirect sends the caller to the login page, with a status such as 302.
func Redirect(w http.ResponseWriter, status int) {
	w.Header().Set("Location", "/login")
	w.WriteHeader(status)
}

// Stall begins an answer and says no more until the caller gives up.
func Stall(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Write(body[:1])
	http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

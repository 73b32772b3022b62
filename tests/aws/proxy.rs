//! A proxy between the SDK and a server, on threads and sockets alone: it counts and names the calls, and on order it
//! refuses, breaks, delays or rewrites them, as AWS does and the servers that can be installed do not.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall::sim::Moment;

/// A proxy before a server. It ends with the process.
pub(crate) struct Proxy {
    pub(crate) url: url::Url,
    state: Arc<State>,
}

struct State {
    server: String,
    /// Where else some calls go: a part of the path or of the target, and the server.
    elsewhere: Vec<(&'static str, String)>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Every call that has arrived, in order.
    calls: Vec<Arrived>,
    faults: Vec<Fault>,
    /// At which next call that changes something it begins that every call goes wrong in this way.
    end: Option<(usize, Kind)>,
    /// What was answered to a create with a token: what it asked for, and the answer.
    tokens: BTreeMap<(String, String), (String, Answer)>,
    /// What to do at which call, once.
    blow: Option<Blow>,
}

type Blow = (usize, Moment, Box<dyn FnOnce() + Send>);

/// A call that has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    /// Such as `CreateVpc`.
    pub(crate) action: String,
    /// Whether the server was asked, and what its status was.
    pub(crate) status: Option<u16>,
}

/// What goes wrong, with which calls, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) action: &'static str,
    pub(crate) kind: Kind,
    pub(crate) times: usize,
}

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Refused before it acts, in the words of the service's own protocol.
    Refused { status: u16, code: &'static str, message: &'static str },
    /// Answered by somebody else on the way.
    Answered { status: u16, body: &'static str },
    /// The connection breaks before the call reaches the server.
    Reset,
    /// It acts, and the connection breaks before the answer.
    Lost,
    /// It acts, and half of the answer comes back.
    Truncated,
    /// It acts, and the answer is a page of something else.
    Garbage,
    /// It acts, and the answer says 500.
    ActedThen500,
    /// Some text of the answer is another one.
    Rewritten { from: &'static str, to: &'static str },
}

#[derive(Clone, Debug)]
struct Request {
    method: String,
    path: String,
    head: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    head: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "a proxy is no part of what it is before")]
    pub(crate) fn new(server: &str, elsewhere: &[(&'static str, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let state = Arc::new(State {
            server: authority(server),
            elsewhere: elsewhere.iter().map(|(part, server)| (*part, authority(server))).collect(),
            inner: Mutex::default(),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || state.serve(&stream));
            }
        });
        Self { url, state }
    }

    /// The calls that have arrived so far.
    pub(crate) fn calls(&self) -> Vec<Arrived> {
        self.state.inner().calls.clone()
    }

    /// How many calls of each action have arrived since the call of this number.
    pub(crate) fn counted_since(&self, number: usize) -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        for call in &self.state.inner().calls[number..] {
            *counted.entry(call.action.clone()).or_default() += 1;
        }
        counted
    }

    /// Calls of this action, so many of them, go wrong.
    pub(crate) fn fault(&self, action: &'static str, times: usize, kind: Kind) {
        self.state.inner().faults.push(Fault { action, kind, times });
    }

    /// From the next call on that changes something for the time of this number, every call goes wrong.
    pub(crate) fn end_at(&self, change: usize, kind: Kind) {
        self.state.inner().end = Some((change, kind));
    }

    /// Does something at the call of this number, counted from 1 and from now.
    pub(crate) fn at(&self, number: usize, moment: Moment, blow: impl FnOnce() + Send + 'static) {
        let mut inner = self.state.inner();
        let number = inner.calls.len() + number;
        inner.blow = Some((number, moment, Box::new(blow)));
    }

    /// Takes back what was to be done and was not.
    pub(crate) fn at_peace(&self) {
        let mut inner = self.state.inner();
        inner.blow = None;
        inner.end = None;
        inner.faults.clear();
    }

    /// Forgets every token, as the services do after a while.
    pub(crate) fn forget_tokens(&self) {
        self.state.inner().tokens.clear();
    }
}

impl Inner {
    /// What every call meets once the end has come.
    fn ended(&mut self, action: &str) -> Option<Kind> {
        let (left, kind) = self.end.as_mut()?;
        let reads = ["Describe", "Get", "List", "GET ", "HEAD "].iter().any(|prefix| action.starts_with(prefix));
        *left = left.saturating_sub(usize::from(!reads));
        (*left == 0).then(|| kind.clone())
    }
}

fn authority(url: &str) -> String {
    url.trim_start_matches("http://").trim_end_matches('/').to_owned()
}

impl State {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader, stream) {
            match self.answer(&request) {
                Some((answer, whole)) => {
                    if !write_answer(stream, &answer, whole) {
                        return;
                    }
                }
                None => {
                    // Closing with unread input resets the connection; so does this, as good as.
                    let _ = stream.shutdown(Shutdown::Both);
                    return;
                }
            }
        }
    }

    /// What is answered, and whether all of it; nothing when the connection breaks.
    fn answer(&self, request: &Request) -> Option<(Answer, bool)> {
        let action = action(request);
        let (number, fault) = {
            let mut inner = self.inner();
            inner.calls.push(Arrived { action: action.clone(), status: None });
            let number = inner.calls.len();
            let at = inner.faults.iter().position(|fault| fault.times > 0 && fault.action == action);
            let fault = at.map(|at| {
                inner.faults[at].times -= 1;
                inner.faults[at].kind.clone()
            });
            (number, fault.or_else(|| inner.ended(&action)))
        };
        self.blow(number, Moment::Before);
        match &fault {
            Some(Kind::Refused { status, code, message }) => {
                return Some((refusal(request, *status, code, message), true));
            }
            Some(Kind::Answered { status, body }) => {
                return Some((Answer { status: *status, head: Vec::new(), body: body.as_bytes().to_vec() }, true));
            }
            Some(Kind::Reset) => return None,
            _ => {}
        }
        let answer = self.ask(request, &action);
        self.inner().calls[number - 1].status = Some(answer.status);
        self.blow(number, Moment::Acted);
        let answer = match fault {
            Some(Kind::Lost) => return None,
            Some(Kind::Truncated) => return Some((answer, false)),
            Some(Kind::Garbage) => Answer { body: b"<html><body>Bad Gateway</body></html>".to_vec(), ..answer },
            Some(Kind::ActedThen500) => refusal(request, 500, "InternalError", "An internal error has occurred"),
            Some(Kind::Rewritten { from, to }) => {
                let text = String::from_utf8_lossy(&answer.body).replace(from, to);
                Answer { body: text.into_bytes(), ..answer }
            }
            _ => answer,
        };
        self.blow(number, Moment::Replied);
        Some((answer, true))
    }

    fn blow(&self, number: usize, moment: Moment) {
        let mut inner = self.inner();
        if inner.blow.as_ref().is_some_and(|(at, when, _)| *at == number && *when == moment)
            && let Some((_, _, blow)) = inner.blow.take()
        {
            drop(inner);
            blow();
        }
    }

    /// Asks the server, or remembers what it said to the same request with the same token.
    fn ask(&self, request: &Request, action: &str) -> Answer {
        let Some(token) = token(request) else { return self.forward(request) };
        let key = (action.to_owned(), token.clone());
        let asked = String::from_utf8_lossy(&request.body).into_owned();
        let mut inner = self.inner();
        if let Some((before, answer)) = inner.tokens.get(&key) {
            if *before == asked {
                return answer.clone();
            }
            let message = "The request uses the same client token as a previous, but non-identical request.";
            return refusal(request, 400, "IdempotentParameterMismatch", message);
        }
        // One after the other, so that two with the same token do not both reach the server.
        let answer = self.forward(request);
        if answer.status < 300 {
            inner.tokens.insert(key, (asked, answer.clone()));
        }
        answer
    }

    fn forward(&self, request: &Request) -> Answer {
        let request = &understood(request);
        let target = header(&request.head, "x-amz-target").unwrap_or_default();
        let other = self.elsewhere.iter().find(|(part, _)| request.path.contains(part) || target.contains(part));
        let other = other.map(|(_, server)| server);
        let stream = TcpStream::connect(other.unwrap_or(&self.server)).unwrap();
        let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
        for (name, value) in &request.head {
            if !["connection", "content-length", "transfer-encoding", "expect"].contains(&name.as_str()) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", request.body.len()));
        (&stream).write_all(head.as_bytes()).unwrap();
        (&stream).write_all(&request.body).unwrap();
        read_answer(&stream, request.method == "HEAD")
    }
}

/// A request as moto understands it: it has no filter of endpoints by their ids, and answers 500. Without the filter it
/// shows more than was asked for, which a driver passes over.
fn understood(request: &Request) -> Request {
    let mut request = request.clone();
    let text = String::from_utf8_lossy(&request.body).into_owned();
    if text.contains("Action=DescribeVpcEndpoints") && text.contains("=vpc-endpoint-id") {
        let kept: Vec<&str> = text.split('&').filter(|pair| !pair.starts_with("Filter.")).collect();
        request.body = kept.join("&").into_bytes();
    }
    request
}

fn read_head(reader: &mut impl std::io::BufRead) -> Option<(String, Vec<(String, String)>)> {
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 || line.trim().is_empty() {
            return Some((first.trim_end().to_owned(), head));
        }
        let (name, value) = line.split_once(':')?;
        head.push((name.trim().to_lowercase(), value.trim().to_owned()));
    }
}

fn header<'a>(head: &'a [(String, String)], name: &str) -> Option<&'a str> {
    head.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn read_chunks(reader: &mut impl std::io::BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
        let mut chunk = vec![0; size];
        reader.read_exact(&mut chunk).ok()?;
        body.extend(chunk);
        line.clear();
        reader.read_line(&mut line).ok()?;
        if size == 0 {
            return Some(body);
        }
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>, mut stream: &TcpStream) -> Option<Request> {
    let (first, head) = read_head(reader)?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    if header(&head, "expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let body = if header(&head, "transfer-encoding") == Some("chunked") {
        read_chunks(reader)?
    } else {
        let mut body = vec![0; header(&head, "content-length").unwrap_or("0").parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        body
    };
    Some(Request { method, path, head, body })
}

fn read_answer(stream: &TcpStream, bodiless: bool) -> Answer {
    let mut reader = BufReader::new(stream);
    let (first, head) = read_head(&mut reader).unwrap();
    let status = first.split(' ').nth(1).unwrap().parse().unwrap();
    let mut body = Vec::new();
    if header(&head, "transfer-encoding") == Some("chunked") {
        body = read_chunks(&mut reader).unwrap();
    } else if !bodiless && status != 204 && status != 304 {
        match header(&head, "content-length") {
            Some(length) => {
                body = vec![0; length.parse().unwrap()];
                reader.read_exact(&mut body).unwrap();
            }
            None => {
                reader.read_to_end(&mut body).unwrap();
            }
        }
    }
    Answer { status, head, body }
}

/// Whether the connection may be used again.
fn write_answer(mut stream: &TcpStream, answer: &Answer, whole: bool) -> bool {
    let mut head = format!("HTTP/1.1 {} Status\r\n", answer.status);
    for (name, value) in &answer.head {
        if !["connection", "content-length", "transfer-encoding"].contains(&name.as_str()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", answer.body.len()));
    let body = if whole { &answer.body[..] } else { &answer.body[..answer.body.len() / 2] };
    let sent = stream.write_all(head.as_bytes()).is_ok() && stream.write_all(body).is_ok();
    if !whole {
        let _ = stream.shutdown(Shutdown::Both);
    }
    sent && whole
}

/// What a call is called: the parameter of query protocols, the target of JSON ones, method and kind of REST ones.
fn action(request: &Request) -> String {
    if let Some(target) = header(&request.head, "x-amz-target") {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let body = String::from_utf8_lossy(&request.body);
    if let Some(action) = body.split('&').find_map(|pair| pair.strip_prefix("Action=")) {
        return action.to_owned();
    }
    let path = request.path.split('?').next().unwrap_or_default();
    let query = request.path.split_once('?').map(|(_, query)| query.split('=').next().unwrap_or_default());
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // Every other part of an EKS path is a name.
    let kinds: Vec<&str> = match parts.first() {
        Some(&"clusters") => parts.iter().step_by(2).copied().collect(),
        _ => query.filter(|query| !query.starts_with("x-id")).into_iter().collect(),
    };
    format!("{} /{}{}", request.method, kinds.join("/"), if parts.len().is_multiple_of(2) { "/*" } else { "" })
}

/// The token of a create.
fn token(request: &Request) -> Option<String> {
    let body = String::from_utf8_lossy(&request.body);
    if let Some(token) = body.split('&').find_map(|pair| pair.strip_prefix("ClientToken=")) {
        return Some(token.to_owned());
    }
    let json: serde_json::Value = serde_json::from_str(&body).ok()?;
    ["clientRequestToken", "ClientToken"].iter().find_map(|name| Some(json.get(name)?.as_str()?.to_owned()))
}

/// An error in the words of the protocol that the request speaks.
fn refusal(request: &Request, status: u16, code: &str, message: &str) -> Answer {
    let json = header(&request.head, "content-type").is_some_and(|kind| kind.contains("json"))
        || request.path.starts_with("/clusters");
    let scope = header(&request.head, "authorization").unwrap_or_default();
    let body = if json {
        serde_json::json!({ "__type": code, "code": code, "message": message }).to_string()
    } else if scope.contains("/ec2/") {
        format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
             <RequestID>proxy-1</RequestID></Response>"
        )
    } else if scope.contains("/s3/") {
        format!("<Error><Code>{code}</Code><Message>{message}</Message><RequestId>proxy-1</RequestId></Error>")
    } else {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>proxy-1</RequestId></ErrorResponse>"
        )
    };
    let mut head = vec![("x-amzn-requestid".to_owned(), "proxy-1".to_owned())];
    if json {
        head.push(("x-amzn-errortype".to_owned(), code.to_owned()));
        head.push(("content-type".to_owned(), "application/json".to_owned()));
    } else {
        head.push(("content-type".to_owned(), "text/xml".to_owned()));
    }
    Answer { status, head, body: body.into_bytes() }
}

//! Draws the event stream: bars on a terminal, lines everywhere else.
//!
//! # Expected flow
//! The caller listens before it converges, and runs [`Terminal::draw`] beside the work. The drawing ends when the
//! platform closes the stream.
//!
//! # Guarantees
//! - A terminal shows one screen: a counter of what is done, the overall progress with the time it still needs, and at
//!   most twelve of the things that are awaited. Finished work folds into the counter; failures stay on the screen.
//! - Everything else (a file, a pipe, a terminal that cannot move its cursor) gets one line per change and, while
//!   something is awaited, one line per 30 s of the platform's clock: what is awaited, since when, how long it usually
//!   takes, the cloud's last word.
//! - A writer that fails, such as a closed pipe, ends the drawing and not the work.
//!
//! # Caveats
//! Time moves with the events. Give [`Terminal::ticking`] the platform's clock to have it move between them too.

mod bars;
mod view;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use landfall_core::clock::Clock;
use landfall_core::event::{Event, Listener};

use bars::Bars;
use view::{Line, View};

/// A reporter for people. Nothing else in Landfall writes to a terminal.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use landfall::terminal::Terminal;
/// use landfall_core::event::{EventKind, Events};
///
/// let events = Events::default();
/// let listener = events.listen();
/// events.send(std::time::Duration::from_secs(1), &EventKind::LeaseTaken { epoch: 1 });
/// events.close();
/// Terminal::plain(std::io::sink()).draw(listener).await;
/// # }
/// ```
pub struct Terminal {
    canvas: Canvas,
    clock: Option<Arc<dyn Clock>>,
}

enum Canvas {
    Bars(Bars),
    Lines(Box<dyn Write + Send>),
}

impl Terminal {
    /// Draws on standard error: bars when it is a terminal, lines when it is not.
    #[must_use]
    pub fn stderr() -> Self {
        match Bars::stderr() {
            Some(bars) => Self { canvas: Canvas::Bars(bars), clock: None },
            None => Self::plain(std::io::stderr()),
        }
    }

    /// Writes lines, without any control codes.
    #[must_use]
    pub fn plain(writer: impl Write + Send + 'static) -> Self {
        Self { canvas: Canvas::Lines(Box::new(writer)), clock: None }
    }

    /// Lets time move between events, by the platform's own clock.
    #[must_use]
    pub fn ticking(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Draws until the stream ends. Dropping the future ends the drawing and leaves the terminal clean.
    pub async fn draw(mut self, mut listener: Listener) {
        let mut view = View::default();
        let mut tick = self.clock.as_deref().map(next_tick);
        while let Some(woken) = next(&mut listener, tick.as_mut()).await {
            let mut lines = Vec::new();
            match woken {
                Woken::Event(event) => {
                    lines.extend(view.on(&event));
                    // What has queued up meanwhile is drawn at once.
                    while let Some(event) = listener.take() {
                        lines.extend(view.on(&event));
                    }
                }
                Woken::Tick => {
                    if let Some(clock) = self.clock.as_deref() {
                        lines.extend(view.tick(clock.now()));
                        tick = Some(next_tick(clock));
                    }
                }
            }
            self.show(&view, &lines);
        }
        self.finish(listener.dropped());
    }

    fn show(&mut self, view: &View, lines: &[Line]) {
        match &mut self.canvas {
            Canvas::Bars(bars) => bars.show(view, lines),
            Canvas::Lines(writer) => {
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                // A reader that went away is no reason to fail the work that is reported.
                if writer.write_all(text.as_bytes()).and_then(|()| writer.flush()).is_err() {
                    self.canvas = Canvas::Lines(Box::new(std::io::sink()));
                }
            }
        }
    }

    fn finish(&mut self, dropped: u64) {
        if dropped > 0 {
            let line = Line::lasting(format!("{dropped} events came faster than they were drawn and are not shown"));
            self.show(&View::default(), &[line]);
        }
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.canvas {
            Canvas::Bars(_) => "Terminal(bars)",
            Canvas::Lines(_) => "Terminal(lines)",
        })
    }
}

enum Woken {
    Event(Event),
    Tick,
}

type Tick = Pin<Box<dyn Future<Output = ()> + Send>>;

fn next_tick(clock: &dyn Clock) -> Tick {
    clock.sleep(Duration::from_secs(1))
}

/// The next event or tick, whichever comes first; `None` when the stream has ended.
async fn next(listener: &mut Listener, mut tick: Option<&mut Tick>) -> Option<Woken> {
    let mut event = pin!(listener.next());
    poll_fn(|cx| {
        if let Poll::Ready(event) = event.as_mut().poll(cx) {
            return Poll::Ready(event.map(Woken::Event));
        }
        match &mut tick {
            Some(tick) => tick.as_mut().poll(cx).map(|()| Some(Woken::Tick)),
            None => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use landfall_core::event::{EventKind, Events};
    use landfall_core::resource::Verb;

    use super::*;

    /// A writer whose bytes can be read afterwards.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe whose reader is gone.
    struct ClosedPipe;

    impl Write for ClosedPipe {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    /// A clock that stands at one minute and whose first sleep is over at once; the second never ends.
    #[derive(Debug, Default)]
    struct OneTick(std::sync::atomic::AtomicBool);

    impl Clock for OneTick {
        fn now(&self) -> Duration {
            Duration::from_secs(60)
        }

        fn sleep(&self, _duration: Duration) -> Tick {
            if self.0.swap(true, std::sync::atomic::Ordering::Relaxed) {
                Box::pin(std::future::pending())
            } else {
                Box::pin(std::future::ready(()))
            }
        }
    }

    fn started() -> EventKind {
        EventKind::Started {
            address: "aws/cluster/main/cluster".parse().unwrap(),
            type_name: "AWS::EKS::Cluster".into(),
            verb: Verb::Create,
            usually: (480_000, 600_000, 840_000),
        }
    }

    #[tokio::test]
    async fn lines_are_written_until_the_stream_ends() {
        let events = Events::default();
        let listener = events.listen();
        events.send(Duration::ZERO, &EventKind::LeaseTaken { epoch: 7 });
        events.send(Duration::from_secs(3), &EventKind::Converged { resources: 2, mutations: 0 });
        events.close();
        let page = Page::default();
        Terminal::plain(page.clone()).draw(listener).await;
        assert_eq!(
            page.text(),
            "took the lease, epoch 7\nconverged: 2 resources are as declared, nothing was changed\n"
        );
    }

    #[tokio::test]
    async fn a_closed_pipe_does_not_stop_the_draining() {
        let events = Events::default();
        let listener = events.listen();
        for _ in 0..3 {
            events.send(Duration::ZERO, &EventKind::LeaseTaken { epoch: 1 });
        }
        events.close();
        Terminal::plain(ClosedPipe).draw(listener).await;
    }

    #[tokio::test]
    async fn a_tick_speaks_while_no_event_comes() {
        let events = Events::default();
        let listener = events.listen();
        events.send(Duration::ZERO, &started());
        let page = Page::default();
        let drawing = Terminal::plain(page.clone()).ticking(Arc::new(OneTick::default())).draw(listener);
        let mut drawing = pin!(drawing);
        poll_fn(|cx| {
            assert!(drawing.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!(
            page.text(),
            "still creating aws/cluster/main/cluster after 1 min (usually 8 min to 14 min); 0 of 1 done\n"
        );
    }

    #[tokio::test]
    async fn drawing_can_run_on_any_thread() {
        fn is_send(_: &impl Send) {}
        let events = Events::default();
        let drawing = Terminal::plain(io::sink()).draw(events.listen());
        is_send(&drawing);
        events.close();
        drawing.await;
    }
}

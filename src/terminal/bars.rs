//! The screen of a terminal: as many lines as the view has now, redrawn in place.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::view::{Line, View};

/// Lines at the bottom of a terminal. Dropping it wipes them.
pub(super) struct Bars {
    screen: MultiProgress,
    rows: Vec<ProgressBar>,
    style: ProgressStyle,
}

impl Bars {
    /// The screen of standard error; `None` when it is no terminal, or one that cannot move its cursor.
    pub(super) fn stderr() -> Option<Self> {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        // The template is cut at the width of the terminal, so that no row wraps.
        let style = ProgressStyle::with_template("{wide_msg}").ok()?;
        (!screen.is_hidden()).then_some(Self { screen, rows: Vec::new(), style })
    }

    /// Writes the lasting lines above the screen and draws the view beneath.
    pub(super) fn show(&mut self, view: &View, lines: &[Line]) {
        let wanted = view.screen();
        while self.rows.len() > wanted.len() {
            if let Some(row) = self.rows.pop() {
                self.screen.remove(&row);
            }
        }
        while self.rows.len() < wanted.len() {
            self.rows.push(self.screen.add(ProgressBar::no_length().with_style(self.style.clone())));
        }
        for (row, text) in self.rows.iter().zip(wanted) {
            row.set_message(text);
        }
        // A terminal that went away is no reason to fail the work that is reported: results are passed over.
        if self.rows.is_empty() {
            let _ = self.screen.clear();
        }
        for line in lines.iter().filter(|line| line.lasts()) {
            let _ = self.screen.println(line.to_string());
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for row in &self.rows {
            row.finish_and_clear();
        }
    }
}

use std::collections::HashSet;
use std::fmt;

/// What the audit says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub lines: Vec<Line>,
    pub findings: Vec<Finding>,
}

/// One line of the table: what should be, and what is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub what: &'static str,
    pub expected: String,
    pub found: String,
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whose history to look at.
    pub order: Option<String>,
    pub what: String,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.lines.iter().all(Line::is_right)
    }

    /// The orders that something was found about, each once.
    pub fn orders(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let orders = self.findings.iter().filter_map(|finding| finding.order.as_deref());
        orders.filter(|order| seen.insert(*order)).collect()
    }
}

impl Line {
    pub fn is_right(&self) -> bool {
        self.expected == self.found
    }
}

/// More than this says no more.
const SHOWN: usize = 12;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |texts: fn(&Line) -> &str, least: usize| {
            self.lines.iter().map(|line| texts(line).chars().count()).max().unwrap_or(0).max(least)
        };
        let (what, expected) = (width(|line| line.what, 0), width(|line| &line.expected, 8));
        writeln!(f, "{:what$}  {:>expected$}  found", "audit", "expected")?;
        for line in &self.lines {
            let mark = if line.is_right() { "" } else { "   <-- WRONG" };
            writeln!(f, "{:what$}  {:>expected$}  {}{mark}", line.what, line.expected, line.found)?;
        }
        for Finding { order, what } in self.findings.iter().take(SHOWN) {
            writeln!(f, "  {}: {what}", order.as_deref().unwrap_or("-"))?;
        }
        if self.findings.len() > SHOWN {
            writeln!(f, "  and {} more", self.findings.len() - SHOWN)?;
        }
        Ok(())
    }
}

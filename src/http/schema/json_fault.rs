//! Where a JSON text goes wrong, counted in characters as Python's `json` module counts.
//!
//! Clients know these positions, and the lines and columns of `serde_json` cannot be turned into
//! them. Nothing is built here and nothing recurses: the text may be anything.

/// The deepest nesting of lists and objects in `text`, JSON or not.
pub(super) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The character at which a text that `serde_json` refuses stops being JSON (RFC 8259).
///
/// `None` for a text that is JSON after all, but holds a number that does not fit.
pub(super) fn position(text: &str) -> Option<usize> {
    let Stop(at) = Scanner { text: text.as_bytes() }.document().err()?;
    Some(text.char_indices().take_while(|(start, _)| *start < at).count())
}

/// The byte at which the scan stopped.
struct Stop(usize);

type Scan = Result<usize, Stop>;

struct Scanner<'a> {
    text: &'a [u8],
}

impl Scanner<'_> {
    /// One value and nothing after it. The brackets that are open lie on a stack of our own.
    fn document(&self) -> Result<(), Stop> {
        let mut open = Vec::new();
        let mut at = self.blanks(0);
        loop {
            at = match self.at(at) {
                Some(b'{') => {
                    let inside = self.blanks(at + 1);
                    if self.at(inside) == Some(b'}') {
                        inside + 1
                    } else {
                        open.push(b'}');
                        at = self.name(inside)?;
                        continue;
                    }
                }
                Some(b'[') => {
                    let inside = self.blanks(at + 1);
                    if self.at(inside) == Some(b']') {
                        inside + 1
                    } else {
                        open.push(b']');
                        at = inside;
                        continue;
                    }
                }
                _ => self.scalar(at)?,
            };
            match self.closed(at, &mut open)? {
                Some(next) => at = next,
                None => return Ok(()),
            }
        }
    }

    /// After a value: closes what closes, and says where the next value begins, if one must.
    fn closed(&self, after: usize, open: &mut Vec<u8>) -> Result<Option<usize>, Stop> {
        let mut at = self.blanks(after);
        while let Some(close) = open.last() {
            match self.at(at) {
                Some(byte) if byte == *close => {
                    open.pop();
                    at = self.blanks(at + 1);
                }
                Some(b',') if *close == b'}' => {
                    return self.name(self.blanks(at + 1)).map(Some);
                }
                Some(b',') => return Ok(Some(self.blanks(at + 1))),
                _ => return Err(Stop(at)),
            }
        }
        if at < self.text.len() { Err(Stop(at)) } else { Ok(None) }
    }

    /// A field's name and its colon; answers where its value begins.
    fn name(&self, at: usize) -> Scan {
        if self.at(at) != Some(b'"') {
            return Err(Stop(at));
        }
        let colon = self.blanks(self.string(at)?);
        if self.at(colon) != Some(b':') {
            return Err(Stop(colon));
        }
        Ok(self.blanks(colon + 1))
    }

    fn scalar(&self, at: usize) -> Scan {
        match self.at(at) {
            Some(b'"') => self.string(at),
            Some(b'-' | b'0'..=b'9') => self.number(at),
            _ => ["null", "true", "false"]
                .iter()
                .find(|word| {
                    self.text.get(at..).is_some_and(|rest| rest.starts_with(word.as_bytes()))
                })
                .map(|word| at + word.len())
                .ok_or(Stop(at)),
        }
    }

    fn number(&self, start: usize) -> Scan {
        let first = start + usize::from(self.at(start) == Some(b'-'));
        let mut at = match self.at(first) {
            Some(b'0') => first + 1,
            Some(b'1'..=b'9') => self.digits(first),
            _ => return Err(Stop(start)),
        };
        if self.at(at) == Some(b'.') && self.digits(at + 1) > at + 1 {
            at = self.digits(at + 1);
        }
        if matches!(self.at(at), Some(b'e' | b'E')) {
            let digits = at + 1 + usize::from(matches!(self.at(at + 1), Some(b'+' | b'-')));
            if self.digits(digits) > digits {
                at = self.digits(digits);
            }
        }
        Ok(at)
    }

    /// A string from its opening quote on.
    fn string(&self, start: usize) -> Scan {
        let mut at = start + 1;
        loop {
            at = match self.at(at).ok_or(Stop(start))? {
                b'"' => return Ok(at + 1),
                b'\\' => self.escape(at, start)?,
                0..=0x1f => return Err(Stop(at)),
                _ => at + 1,
            };
        }
    }

    /// An escape from its backslash on, in the string that began at `start`.
    fn escape(&self, at: usize, start: usize) -> Scan {
        match self.at(at + 1).ok_or(Stop(start))? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
            b'u' => match self.unit(at + 2).ok_or(Stop(at + 1))? {
                // A lone half of a pair is no character (RFC 8259 §8.2).
                0xd800..=0xdbff => match self.text.get(at + 6..at + 8) {
                    Some(b"\\u") if self.unit(at + 8).is_some_and(is_low) => Ok(at + 12),
                    _ => Err(Stop(at + 1)),
                },
                unit if is_low(unit) => Err(Stop(at + 1)),
                _ => Ok(at + 6),
            },
            _ => Err(Stop(at)),
        }
    }

    /// Four hexadecimal digits. Python wants the string to go on after them.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4).filter(|_| at + 4 < self.text.len())?;
        digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
    }

    fn at(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    fn blanks(&self, at: usize) -> usize {
        self.skip(at, |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
    }

    fn digits(&self, at: usize) -> usize {
        self.skip(at, |byte| byte.is_ascii_digit())
    }

    fn skip(&self, at: usize, wanted: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| wanted(**byte)).count()
    }
}

fn is_low(unit: u32) -> bool {
    (0xdc00..=0xdfff).contains(&unit)
}

#[cfg(test)]
mod tests;

//! The grammar of `labelSelector`, with the errors of `k8s.io/apimachinery/pkg/labels`.

use super::{Operator, Requirement, SelectorError, check_key};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    End,
    Identifier,
    Error,
    Open,
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    GreaterThan,
    LessThan,
    In,
    NotEquals,
    NotIn,
}

/// The requirements of a selector, in the order in which they are written.
pub(super) fn requirements(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser {
        items: scan(text),
        at: 0,
    };
    let mut requirements = Vec::new();
    loop {
        let (token, literal) = parser.look();
        match token {
            Token::Identifier | Token::Not => {}
            Token::End => return Ok(requirements),
            _ => {
                let expected = "!, identifier, or 'end of string'";
                return fail(format!("found '{literal}', expected: {expected}"));
            }
        }
        let requirement = parser
            .requirement()
            .map_err(|error| SelectorError(format!("unable to parse requirement: {error}")))?;
        requirements.push(requirement);
        let (token, literal) = parser.take();
        match token {
            Token::End => return Ok(requirements),
            Token::Comma => {
                let (next, literal) = parser.look();
                if !matches!(next, Token::Identifier | Token::Not) {
                    return fail(format!("found '{literal}', expected: identifier after ','"));
                }
            }
            _ => {
                return fail(format!(
                    "found '{literal}', expected: ',' or 'end of string'"
                ));
            }
        }
    }
}

fn fail<T>(message: String) -> Result<T, SelectorError> {
    Err(SelectorError(message))
}

struct Parser<'a> {
    items: Vec<(Token, &'a str)>,
    at: usize,
}

impl<'a> Parser<'a> {
    /// The next item where a key or value may stand: there `in` and `notin` are ordinary words.
    fn look(&self) -> (Token, &'a str) {
        let (token, literal) = self.look_for_operator();
        match token {
            Token::In | Token::NotIn => (Token::Identifier, literal),
            _ => (token, literal),
        }
    }

    fn look_for_operator(&self) -> (Token, &'a str) {
        self.items.get(self.at).copied().unwrap_or((Token::End, ""))
    }

    fn take(&mut self) -> (Token, &'a str) {
        let item = self.look();
        self.at += 1;
        item
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let (mut token, mut key) = self.take();
        let negated = token == Token::Not;
        if negated {
            (token, key) = self.take();
        }
        if token != Token::Identifier {
            return fail(format!("found '{key}', expected: identifier"));
        }
        check_key(key)?;
        if negated {
            return Requirement::new(key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.look().0, Token::End | Token::Comma) {
            return Requirement::new(key, Operator::Exists, Vec::new());
        }
        let operator = self.operator()?;
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => vec![self.exact_value()?],
        };
        Requirement::new(key, operator, values)
    }

    fn operator(&mut self) -> Result<Operator, SelectorError> {
        let (token, literal) = self.look_for_operator();
        self.at += 1;
        Ok(match token {
            Token::In => Operator::In,
            Token::NotIn => Operator::NotIn,
            Token::Equals => Operator::Equals,
            Token::DoubleEquals => Operator::DoubleEquals,
            Token::NotEquals => Operator::NotEquals,
            Token::GreaterThan => Operator::GreaterThan,
            Token::LessThan => Operator::LessThan,
            _ => {
                let expected = "in, notin, =, ==, !=, gt, lt";
                return fail(format!("found '{literal}', expected: {expected}"));
            }
        })
    }

    /// `(a,b)`. An empty place between commas or parentheses is the empty value.
    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        let (token, literal) = self.take();
        if token != Token::Open {
            return fail(format!("found '{literal}' expected: '('"));
        }
        let (token, literal) = self.look();
        match token {
            Token::Identifier | Token::Comma | Token::Close => {}
            _ => {
                return fail(format!(
                    "found '{literal}', expected: ',', ')' or identifier"
                ));
            }
        }
        let mut values = Vec::new();
        loop {
            let (token, literal) = self.look();
            if token == Token::Identifier {
                self.at += 1;
                values.push(literal.to_owned());
            } else if matches!(token, Token::Comma | Token::Close) {
                values.push(String::new());
            } else {
                return fail(format!("found '{literal}', expected: ',', or identifier"));
            }
            let (token, literal) = self.take();
            match token {
                Token::Comma => {}
                Token::Close => return Ok(values),
                _ => return fail(format!("found '{literal}', expected: ',' or ')'")),
            }
        }
    }

    fn exact_value(&mut self) -> Result<String, SelectorError> {
        if matches!(self.look().0, Token::End | Token::Comma) {
            return Ok(String::new());
        }
        let (token, literal) = self.take();
        if token != Token::Identifier {
            return fail(format!("found '{literal}', expected: identifier"));
        }
        Ok(literal.to_owned())
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn keyword(text: &str) -> Option<Token> {
    Some(match text {
        ")" => Token::Close,
        "," => Token::Comma,
        "!" => Token::Not,
        "==" => Token::DoubleEquals,
        "=" => Token::Equals,
        ">" => Token::GreaterThan,
        "<" => Token::LessThan,
        "in" => Token::In,
        "!=" => Token::NotEquals,
        "notin" => Token::NotIn,
        "(" => Token::Open,
        _ => return None,
    })
}

fn scan(text: &str) -> Vec<(Token, &str)> {
    let mut items = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while let Some(first) = rest.chars().next() {
        let (token, length) = if is_special(first) {
            // The longest sign that is one, as `==` before `=`; every special character is one by itself.
            let pair = rest.get(..2).and_then(keyword);
            match (pair, keyword(&rest[..1])) {
                (Some(token), _) => (token, 2),
                (None, Some(token)) => (token, 1),
                (None, None) => (Token::Error, 1),
            }
        } else {
            let length = rest
                .find(|c| is_special(c) || is_space(c))
                .unwrap_or(rest.len());
            (
                keyword(&rest[..length]).unwrap_or(Token::Identifier),
                length,
            )
        };
        items.push((token, &rest[..length]));
        rest = rest[length..].trim_start_matches(is_space);
    }
    items
}

/// The part of YAML that MLflow writes into `MLmodel`: maps by indentation, one scalar or one text a key.
///
/// Plain, single-quoted and double-quoted texts, folded over lines as PyYAML does; comments; `-` lists are skipped. Anchors,
/// tags, flow maps and block texts are kept as they stand. Keys become paths: `flavors.xgboost.data`.
struct BlockYAML {
    /// Texts by path. A key without a text has an empty one.
    private(set) var values: [String: String] = [:]
    /// Keys in the order of the file.
    private(set) var paths: [String] = []

    init(_ text: String) {
        var open: [(indent: Int, key: String)] = []
        // Line ends are scalars here: Swift sees \r\n as one character.
        let lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            String(String.UnicodeScalarView(line.last == "\r" ? line.dropLast() : line))
        }
        var index = 0
        while index < lines.count {
            let line = lines[index]
            index += 1
            let indent = line.prefix { $0 == " " }.count
            let body = line.dropFirst(indent)
            guard let first = body.first, first != "#", first != "-", let colon = BlockYAML.colon(in: body) else {
                continue
            }
            let key = BlockYAML.unquoted(String(body[..<colon]))
            var value = String(body[body.index(after: colon)...].drop { $0 == " " })
            // The lines of a text are indented deeper than its key.
            if let quote = value.first, quote == "'" || quote == "\"" {
                while !BlockYAML.isClosed(value), index < lines.count {
                    let next = lines[index].drop { $0 == " " }
                    index += 1
                    if quote == "\"", value.hasSuffix("\\") {
                        value.removeLast()
                        // The backslash in front of a space keeps it.
                        value += next.hasPrefix("\\ ") ? next.dropFirst() : next
                    } else {
                        value += next.isEmpty ? "\n" : (value.hasSuffix("\n") ? "" : " ") + next
                    }
                }
            } else if !value.isEmpty {
                while index < lines.count, lines[index].prefix(while: { $0 == " " }).count > indent {
                    value += " " + lines[index].drop { $0 == " " }
                    index += 1
                }
            }
            while let last = open.last, last.indent >= indent { open.removeLast() }
            let path = (open.map(\.key) + [key]).joined(separator: ".")
            values[path] = BlockYAML.unquoted(value)
            paths.append(path)
            open.append((indent, key))
        }
    }

    subscript(path: String) -> String? {
        guard let value = values[path], !value.isEmpty, value != "null", value != "~" else { return nil }
        return value
    }

    /// Keys directly below `path`, in the order of the file.
    func keys(of path: String) -> [String] {
        paths.compactMap { candidate in
            guard candidate.hasPrefix(path + ".") else { return nil }
            let rest = candidate.dropFirst(path.count + 1)
            return rest.contains(".") ? nil : String(rest)
        }
    }

    /// The colon that ends a key: followed by a space or nothing, outside of quotes.
    private static func colon(in body: Substring) -> String.Index? {
        var quote: Character?
        var at = body.startIndex
        while at < body.endIndex {
            let character = body[at]
            let next = body.index(after: at)
            if let open = quote {
                if character == open { quote = nil }
            } else if at == body.startIndex, character == "'" || character == "\"" {
                quote = character
            } else if character == ":", next == body.endIndex || body[next] == " " {
                return at
            }
            at = next
        }
        return nil
    }

    /// Whether a quoted text has its closing quote.
    private static func isClosed(_ text: String) -> Bool {
        let scalars = Array(text.unicodeScalars)
        guard let quote = scalars.first else { return true }
        var at = 1
        while at < scalars.count {
            if quote == "\"", scalars[at] == "\\" {
                at += 2
            } else if scalars[at] == quote {
                guard quote == "'", at + 1 < scalars.count, scalars[at + 1] == quote else { return true }
                at += 2
            } else {
                at += 1
            }
        }
        return false
    }

    private static func unquoted(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        guard let quote = scalars.first, quote == "'" || quote == "\"" else {
            // A comment begins with a blank and #.
            var plain = text
            if let comment = text.firstRange(of: " #") { plain = String(text[..<comment.lowerBound]) }
            while plain.hasSuffix(" ") { plain.removeLast() }
            return plain
        }
        var result = String.UnicodeScalarView()
        var at = 1
        while at < scalars.count {
            let scalar = scalars[at]
            at += 1
            if scalar == quote {
                guard quote == "'", at < scalars.count, scalars[at] == quote else { break }
                result.append(scalar)
                at += 1
            } else if scalar == "\\", quote == "\"", at < scalars.count {
                let escaped = scalars[at]
                at += 1
                let digits = escaped == "x" ? 2 : escaped == "u" ? 4 : escaped == "U" ? 8 : 0
                if digits > 0 {
                    let hex = String(String.UnicodeScalarView(scalars[at..<min(at + digits, scalars.count)]))
                    result.append(UInt32(hex, radix: 16).flatMap(Unicode.Scalar.init) ?? "\u{FFFD}")
                    at = min(at + digits, scalars.count)
                } else {
                    result.append(escaped == "n" ? "\n" : escaped == "t" ? "\t" : escaped == "r" ? "\r" : escaped)
                }
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }
}

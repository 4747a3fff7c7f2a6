/// A program that does the job: Millrace, or another to compare it with.
struct Engine {
    var name: String
    /// Words with `{NAME}`s to fill in.
    var command: [String]

    /// Splits a command as a shell would at blanks and quotes; nothing else is special.
    static func words(_ text: String) throws -> [String] {
        var words: [String] = []
        var word = ""
        var hasWord = false
        var quote: Character?
        for character in text {
            if let open = quote {
                if character == open { quote = nil } else { word.append(character) }
            } else if character == "'" || character == "\"" {
                (quote, hasWord) = (character, true)
            } else if character == " " || character == "\n" || character == "\t" {
                if hasWord { words.append(word) }
                (word, hasWord) = ("", false)
            } else {
                word.append(character)
                hasWord = true
            }
        }
        guard quote == nil else { throw Failure("--floor: a quote is not closed") }
        if hasWord { words.append(word) }
        return words
    }
}

/// Fills in `{NAME}`s.
///
/// - Throws: for a name that is not there.
func filled(_ text: String, _ values: [String: String]) throws -> String {
    var result = ""
    var rest = text[...]
    while let open = rest.firstIndex(of: "{") {
        result += rest[..<open]
        rest = rest[open...].dropFirst()
        let name = rest.prefix { $0.isUppercase || $0 == "_" }
        guard !name.isEmpty, rest[name.endIndex...].first == "}" else {
            result += "{"
            continue
        }
        guard let value = values[String(name)] else {
            throw Failure("{\(name)} is not known; there are \(values.keys.sorted().joined(separator: ", "))")
        }
        result += value
        rest = rest[name.endIndex...].dropFirst()
    }
    return result + rest
}

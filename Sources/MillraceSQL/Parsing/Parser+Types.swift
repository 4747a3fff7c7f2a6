import MillraceCore

extension Parser {
    /// A type with its `NOT NULL`.
    mutating func parseType() throws(Diagnostic) -> TypeSyntax {
        try enter()
        defer { leave() }
        var type = try parseTypeName()
        acceptNullability(&type)
        // The postfix spelling `INT ARRAY`.
        var levels = 0
        while isWord("ARRAY") || isWord("MULTISET") {
            let name = token.keyword
            advance()
            levels += 1
            if levels > SQLParser.maximumNesting { throw Diagnostic("type is nested too deeply", at: previousRange) }
            type = TypeSyntax(name: name, arguments: [type], range: type.range.through(previousRange))
            acceptNullability(&type)
        }
        return type
    }

    private mutating func acceptNullability(_ type: inout TypeSyntax) {
        if accept(words: "NOT", "NULL") {
            type.isNotNull = true
            type.range = type.range.through(previousRange)
        } else if accept(words: "NULL") {
            type.range = type.range.through(previousRange)
        }
    }

    private mutating func parseTypeName() throws(Diagnostic) -> TypeSyntax {
        let start = token.range
        guard token.kind == .word, isWord("INTERVAL") || isName() else { throw unexpected("a type") }
        let word = token.keyword
        advance()
        var type = TypeSyntax(name: word, range: start)
        switch word {
        case "ROW", "STRUCT":
            type.name = "ROW"
            if accept("(") {
                type.fields = try parseFields()
                try expect(")")
            } else {
                try expect("<")
                if !isSign(">") { type.fields = try parseFields() }
                try expect(">")
            }
        case "ARRAY", "MULTISET":
            try expect("<")
            type.arguments = [try parseType()]
            try expect(">")
        case "MAP":
            try expect("<")
            type.arguments = [try parseType()]
            try expect(",")
            type.arguments.append(try parseType())
            try expect(">")
        case "INTERVAL":
            type.name = "INTERVAL \(try parseIntervalUnit().rawValue)"
            if accept(words: "TO") { type.name += " TO \(try parseIntervalUnit().rawValue)" }
        case "DOUBLE":
            if accept(words: "PRECISION") { type.name = "DOUBLE PRECISION" }
        case "CHARACTER", "CHAR":
            // Standard SQL's long names of VARCHAR and VARBINARY.
            if accept(words: "VARYING") { type.name = "VARCHAR" }
            type.parameters = try parseTypeParameters()
        case "BINARY":
            if accept(words: "VARYING") { type.name = "VARBINARY" }
            type.parameters = try parseTypeParameters()
        case "TIMESTAMP":
            type.parameters = try parseTypeParameters()
            if accept(words: "WITH", "LOCAL", "TIME", "ZONE") {
                type.name = "TIMESTAMP_LTZ"
            } else if accept(words: "WITH", "TIME", "ZONE") {
                type.name = "TIMESTAMP WITH TIME ZONE"
            } else {
                accept(words: "WITHOUT", "TIME", "ZONE")
            }
        case "TIME":
            type.parameters = try parseTypeParameters()
            accept(words: "WITHOUT", "TIME", "ZONE")
        default: type.parameters = try parseTypeParameters()
        }
        type.range = start.through(previousRange)
        return type
    }

    private mutating func parseTypeParameters() throws(Diagnostic) -> [Int] {
        guard accept("(") else { return [] }
        var parameters: [Int] = []
        repeat { parameters.append(try parseInteger("a number")) } while accept(",")
        try expect(")")
        return parameters
    }

    private mutating func parseFields() throws(Diagnostic) -> [TypeSyntax.FieldSyntax] {
        var fields: [TypeSyntax.FieldSyntax] = []
        repeat {
            let name = try parseAnyIdentifier("a field name")
            fields.append(.init(name: name, type: try parseType()))
            if token.kind == .string { advance() }  // The field's comment.
        } while accept(",")
        return fields
    }
}

import MillraceCore

extension Parser {
    mutating func parseCreate() throws(Diagnostic) -> StatementSyntax.Kind {
        let start = token.range
        try expect(words: "CREATE")
        let replace = accept(words: "OR", "REPLACE")
        let isTemporary = accept(words: "TEMPORARY") || accept(words: "TEMP")
        let object = token
        if accept(words: "MODEL") { return .createModel(try parseModel(orReplace: replace)) }
        if isWord("TABLE") || isWord("VIEW") {
            advance()
            if replace { throw unsupported("CREATE OR REPLACE \(object.keyword)", at: start.through(object.range)) }
            if object.keyword == "TABLE" { return .createTable(try parseCreateTable(isTemporary: isTemporary)) }
            return .createView(try parseView(isTemporary: isTemporary))
        }
        if accept(words: "DATABASE") {
            let ifNotExists = try acceptIfNotExists()
            let name = try parseObjectName("a database name")
            try skipComment()
            if accept(words: "WITH") { _ = try parseOptions() }
            return .catalog(.createDatabase(name, ifNotExists: ifNotExists))
        }
        if object.kind == .word,
            ["FUNCTION", "SYSTEM", "CATALOG", "INDEX", "MATERIALIZED", "SCHEMA", "EXTERNAL", "CONNECTION"]
                .contains(object.keyword)
        {
            throw unsupportedStatement("CREATE \(object.keyword)", at: start.through(object.range))
        }
        accept(words: "TABLE")
        accept(words: "VIEW")
        throw unexpected("\"TABLE\", \"VIEW\" or \"MODEL\"")
    }

    private mutating func acceptIfNotExists() throws(Diagnostic) -> Bool {
        guard accept(words: "IF") else { return false }
        try expect(words: "NOT", "EXISTS")
        return true
    }

    private mutating func skipComment() throws(Diagnostic) {
        if isWord("COMMENT"), ahead(1).kind == .string || ahead(1).kind == .doubleQuotedString { index += 2 }
    }

    private mutating func parseView(isTemporary: Bool) throws(Diagnostic) -> CreateViewSyntax {
        let ifNotExists = try acceptIfNotExists()
        let name = try parseObjectName("a view name")
        let columns = isSign("(") ? try parseNameList() : []
        try skipComment()
        try expect(words: "AS")
        let query = try parseQuery()
        return CreateViewSyntax(
            name: name, ifNotExists: ifNotExists, isTemporary: isTemporary, columns: columns, query: query)
    }

    // MARK: Tables

    private mutating func parseCreateTable(isTemporary: Bool) throws(Diagnostic) -> CreateTableSyntax {
        let ifNotExists = try acceptIfNotExists()
        let name = try parseObjectName("a table name")
        var table = CreateTableSyntax(name: name, ifNotExists: ifNotExists, isTemporary: isTemporary, columns: [])
        if isName(), isName(ahead: 1), !isWord("COMMENT") { throw unexpected("\"(\"") }
        if accept("(") {
            if !isSign(")") { repeat { try parseTableElement(&table) } while accept(",") }
            try expectListEnd()
        }
        try skipComment()
        if isWord("DISTRIBUTED") { try skipDistribution() }
        if isWord("PARTITIONED") {
            advance()
            try expect(words: "BY")
            table.partitionKeys = try parseNameList()
        }
        if accept(words: "WITH") { table.options = try parseOptions() }
        if accept(words: "LIKE") { table.like = try parseLike() }
        if accept(words: "AS") { table.query = try parseQuery() }
        return table
    }

    private mutating func skipDistribution() throws(Diagnostic) {
        warn("DISTRIBUTED BY is ignored", at: token.range)
        advance()
        if accept(words: "BY") {
            if !accept(words: "HASH") { accept(words: "RANGE") }
            _ = try parseNameList()
        }
        if accept(words: "INTO") {
            _ = try parseInteger("a number of buckets")
            try expect(words: "BUCKETS")
        }
    }

    /// A column, WATERMARK or PRIMARY KEY.
    mutating func parseTableElement(_ table: inout CreateTableSyntax) throws(Diagnostic) {
        let start = token.range
        if accept(words: "WATERMARK", "FOR") {
            let column = try parseDottedName("a column name")
            try expect(words: "AS")
            let expression = try parseExpression()
            table.watermarks.append(
                .init(column: column, expression: expression, range: start.through(previousRange)))
            return
        }
        if isWord("WATERMARK"), isName(ahead: 1), isWord("AS", ahead: 2) {
            throw Diagnostic(
                "expected \"FOR\" but found \(ahead(1).shown)", at: ahead(1).range,
                hint: "Write WATERMARK FOR \(ahead(1).text) AS ….")
        }
        if isWord("CONSTRAINT"), isName(ahead: 1), isWord("PRIMARY", ahead: 2) || isWord("UNIQUE", ahead: 2) {
            index += 2
        }
        if isWord("UNIQUE"), isSign("(", ahead: 1) { throw unsupported("UNIQUE", at: token.range) }
        if accept(words: "PRIMARY", "KEY") {
            if !table.primaryKey.isEmpty {
                throw Diagnostic("table has more than one PRIMARY KEY", at: start.through(previousRange))
            }
            table.primaryKey = try parseNameList()
            try parseNotEnforced()
            return
        }
        table.columns.append(try parseColumn())
    }

    private mutating func parseNotEnforced() throws(Diagnostic) {
        guard accept(words: "NOT", "ENFORCED") else {
            var error = unexpected("\"NOT ENFORCED\"")
            error.hint = "Write PRIMARY KEY … NOT ENFORCED: the engine does not check keys."
            throw error
        }
    }

    private mutating func parseColumn() throws(Diagnostic) -> CreateTableSyntax.Column {
        let name = try parseIdentifier("a column name")
        if accept(words: "AS") {
            let expression = try parseExpression()
            try skipComment()
            return .init(name: name, kind: .computed(expression))
        }
        let type = try parseType()
        var column = CreateTableSyntax.Column(name: name, kind: .physical(type))
        if accept(words: "METADATA") {
            let key = accept(words: "FROM") ? try parseString("a metadata key in quotes") : nil
            column.kind = .metadata(type, key: key, isVirtual: accept(words: "VIRTUAL"))
        } else {
            if isWord("CONSTRAINT"), isName(ahead: 1), isWord("PRIMARY", ahead: 2) { index += 2 }
            if accept(words: "PRIMARY") {
                try expect(words: "KEY")
                try parseNotEnforced()
                column.isPrimaryKey = true
            }
        }
        try skipComment()
        if isWord("DEFAULT") { throw unsupported("DEFAULT", at: token.range) }
        return column
    }

    private mutating func parseLike() throws(Diagnostic) -> CreateTableSyntax.Like {
        var like = CreateTableSyntax.Like(source: try parseObjectName("a table name"), options: [])
        guard accept("(") else { return like }
        while !accept(")") {
            var option: String?
            for word in ["INCLUDING", "EXCLUDING", "OVERWRITING"] where option == nil && accept(words: word) {
                option = word
            }
            guard let option else { throw unexpected("\"INCLUDING\", \"EXCLUDING\" or \"OVERWRITING\"") }
            var subject: String?
            for word in [
                "ALL", "CONSTRAINTS", "DISTRIBUTION", "PARTITIONS", "GENERATED", "METADATA", "OPTIONS", "WATERMARKS",
            ]
            where subject == nil && accept(words: word) {
                subject = word
            }
            guard let subject else { throw unexpected("\"ALL\", \"OPTIONS\" or another part of a table") }
            like.options.append("\(option) \(subject)")
        }
        return like
    }

    // MARK: Models

    private mutating func parseModel(orReplace: Bool) throws(Diagnostic) -> CreateModelSyntax {
        let ifNotExists = try acceptIfNotExists()
        let name = try parseObjectName("a model name")
        var model = CreateModelSyntax(
            name: name, ifNotExists: ifNotExists, inputs: [], outputs: [], options: [], orReplace: orReplace)
        if isWord("TRANSFORM"), isSign("(", ahead: 1) {
            advance()
            try expect("(")
            repeat { model.transform.append(try parseItem()) } while accept(",")
            try expect(")")
        }
        if accept(words: "INPUT") { model.inputs = try parseModelColumns() }
        if accept(words: "OUTPUT") { model.outputs = try parseModelColumns() }
        try skipComment()
        if accept(words: "WITH") {
            model.options = try parseOptions()
        } else if accept(words: "OPTIONS") {
            model.options = try parseModelOptions()
        }
        if isWord("AS") {
            throw unsupported("CREATE MODEL AS", at: token.range, hint: "Train the model elsewhere and give its path.")
        }
        return model
    }

    private mutating func parseModelColumns() throws(Diagnostic) -> [CreateModelSyntax.Column] {
        try expect("(")
        var columns: [CreateModelSyntax.Column] = []
        repeat {
            let name = try parseIdentifier("a column name")
            columns.append(.init(name: name, type: try parseType()))
            try skipComment()
        } while accept(",")
        try expect(")")
        return columns
    }

    /// BigQuery's `OPTIONS(MODEL_TYPE = 'ONNX', …)`: names without quotes, kept in lower case; numbers and truth values too.
    private mutating func parseModelOptions() throws(Diagnostic) -> [OptionSyntax] {
        try expect("(")
        var options: [OptionSyntax] = []
        if accept(")") { return options }
        repeat {
            let key: StringSyntax
            if token.kind == .word {
                let name = try parseAnyIdentifier("an option name")
                key = StringSyntax(name.text.lowercased(), range: name.range)
            } else {
                key = try parseString("an option name")
            }
            try expect("=")
            let value = token
            if value.kind == .number || isWord("TRUE") || isWord("FALSE") {
                advance()
                options.append(OptionSyntax(key: key, value: StringSyntax(value.text, range: value.range)))
            } else if accept("[") {
                // A list of texts, as of INPUT_LABEL_COLS.
                var texts: [String] = []
                repeat { texts.append(try parseString("a name").text) } while accept(",")
                try expect("]")
                let range = value.range.through(previousRange)
                options.append(OptionSyntax(key: key, value: StringSyntax(texts.joined(separator: ","), range: range)))
            } else {
                options.append(OptionSyntax(key: key, value: try parseString("an option value")))
            }
        } while accept(",")
        try expect(")")
        return options
    }
}

// Predict every slide of a cohort table, one job a slide. docs/workflows.md says how to run it.

def quoted(text) { // as one word of the shell
    return "'" + text.toString().replace("'", "'\\''") + "'"
}

def reason(log) { // the last line that a failed slide wrote, as a cell of CSV
    def said = log.exists() ? log.text.trim().readLines() : []
    def line = said ? said.last() - 'histospace: ' : 'it was stopped'
    return '"' + line.replace('"', '""') + '"'
}

process PREDICT {
    tag { name }

    input:
    tuple val(name), val(arguments)
    val out

    output:
    tuple val(name), val('done')

    script:
    // Not in the folder of the task: a second attempt has another, and would start anew.
    def run = "${out}/${name}"
    """
    export OMP_NUM_THREADS=${task.cpus}
    histospace predict ${arguments} --out ${quoted(run)} > ${quoted(run + '.log')} 2>&1
    """
}

workflow {
    def cohort = file(params.cohort, checkIfExists: true)
    def out = file(params.out)
    out.mkdirs()
    // splitCsv with a header would make a number of the name 001. Excel writes a byte-order mark.
    def lines = cohort.splitCsv(quote: '"', strip: true)
    def columns = lines.head().collect { column -> column - '\uFEFF' }
    def rows = lines.tail().collect { cells -> [columns, cells].transpose().collectEntries() }
    def named = rows.collectEntries { row -> [row.section ?: cohort.resolveSibling(row.image ?: '').baseName, row] }
    if (named.size() < rows.size() || !named.every { name, row -> row.image && !name.contains('/') }) {
        error("Each line of '${cohort}' needs an image, and a name of its own without a slash.")
    }
    // As text, not as files to stage: a slide such as an MRXS file needs what lies beside it.
    def model = file(params.model).exists() ? file(params.model) : params.model
    def slides = named.collect { name, row ->
        def known = ['mpp', 'series'].findAll { key -> row[key] }.collect { key -> "--${key}=${row[key]}" }
        def words = [cohort.resolveSibling(row.image), '--model', model] + known
        [name, words.collect { word -> quoted(word) }.join(' ') + " ${params.options}"]
    }
    PREDICT(channel.fromList(slides), out)
    channel.fromList(named.collect { name, row -> [name, row.image] })
        .join(PREDICT.out, remainder: true) // null where a slide failed
        .map { name, image, done ->
            "\"${name}\",\"${image}\"," + (done ? 'done,\n' : "failed,${reason(out.resolve(name + '.log'))}\n")
        }
        .collectFile(name: 'summary.csv', storeDir: out, seed: 'section,image,state,reason\n', sort: true)
}
